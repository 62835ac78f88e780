"""The pages that a person opens: try a request, see why it is answered so, read the content, watch acceptance."""
