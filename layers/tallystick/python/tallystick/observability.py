"""Write structured lines; metrics and traces are imported only by the functions that use them."""

from aws_lambda_powertools import Logger

logger = Logger()
