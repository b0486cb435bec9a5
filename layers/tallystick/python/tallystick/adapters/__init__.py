"""The outside: DynamoDB, Cognito, SNS and the clock. Only here are AWS libraries imported."""
