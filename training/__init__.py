"""Training of Limner's built-in text-to-image model from openly licensed emoji artwork."""
