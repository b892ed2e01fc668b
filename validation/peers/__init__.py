"""Other libraries, called by our names: what they answer is judged by the golden vectors."""
