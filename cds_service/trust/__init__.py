"""Who may call: clients, their tokens and their key sets."""
