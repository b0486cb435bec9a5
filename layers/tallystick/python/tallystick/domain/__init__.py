"""What money, accounts and postings are: pure rules, no input or output."""
