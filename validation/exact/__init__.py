"""The exact tier: definitions evaluated in ball arithmetic, differentiated automatically."""
