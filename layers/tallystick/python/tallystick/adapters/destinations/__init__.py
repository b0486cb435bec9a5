"""Check where withdrawn money goes; each kind's libraries are imported when a destination of that kind comes."""
