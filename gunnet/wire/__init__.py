"""What is said: messages, frames, ids and JavaScript's text."""
