"""What is known of base models without their weights."""
