"""How good assessments are, judged by labels that people gave to real sessions."""
