"""Write one structured line a request, and metrics that alarms watch."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics()
