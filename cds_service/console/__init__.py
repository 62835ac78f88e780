"""The pages a person opens: try a request, see why, read the content, watch acceptance. Changes nothing."""
