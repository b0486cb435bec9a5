"""Commands for who operates a deployment, on this machine or on AWS."""
