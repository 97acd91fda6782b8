"""Who can write an assessment: offline, or through a vendor's model."""
