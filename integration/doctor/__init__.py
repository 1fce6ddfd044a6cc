"""What breaks a policy, done to throw-away hosts, and the doctor's remedies."""
