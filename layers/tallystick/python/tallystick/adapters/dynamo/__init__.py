"""The ledger's tables in DynamoDB, declared with PynamoDB."""
