"""What the command line writes for authors of content: a first pack, a first card, raised versions."""
