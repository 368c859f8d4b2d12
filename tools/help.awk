# SPDX-License-Identifier: MIT
# help.awk - `make help`: targets with a `##` behind them, and variables with a `##` line above them.

/^[a-z][a-z_.-]*:.*##/ {
	target = $0
	sub(/:.*/, "", target)
	sub(/.*## /, "")
	targets = targets sprintf("  %-22s%s\n", target, $0)
}

/^## / {
	what = substr($0, 4)
	next
}

what != "" && match($0, /^[A-Z_]+ *[:?]?= */) {
	name = $1
	value = substr($0, RLENGTH + 1)
	if (value ~ /\$/) # the text describes it
		value = ""
	variables = variables sprintf("  %-37s%s\n", name "=" value, what)
}

{
	what = ""
}

END {
	printf "targets, `make` alone is `make all`:\n%s", targets
	printf "\nvariables with their defaults, as in `make run SMP=4`:\n%s", variables
}
