"""Who may call: clients, their tokens, their key sets. Knows nothing of charts, content or Flask."""
