"""What is known of PEFT's methods without importing PEFT: their tensors, their scaling, their fields."""
