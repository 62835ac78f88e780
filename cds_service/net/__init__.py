"""The door to the outside: connections to FHIR servers and to servers of key sets are made and guarded here."""
