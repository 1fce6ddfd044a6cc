"""What on a host would break a policy, judged from what `laneway.kernel.diagnosis` saw; nothing is asked here."""
