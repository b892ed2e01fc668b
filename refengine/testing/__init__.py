"""What other people's tests import."""
