"""The evaluation of assessors: cutting, counting, judging."""
