# SPDX-License-Identifier: MulanPSL-2.0
# Rows from ip_vs, ip_vs_conn and ip_vs_stats, whose numbers are hexadecimal, IPv4 addresses too.

function number(text,    value, i) {
	value = 0
	for (i = 1; i <= length(text); i++) value = value * 16 + index("123456789ABCDEF", toupper(substr(text, i, 1)))
	return value
}

# 0A000001 -> 10.0.0.1; IPv6 stands as text, in ip_vs within brackets
function address(text) {
	gsub(/[][]/, "", text)
	if (text ~ /:/) return tolower(text)
	return number(substr(text, 1, 2)) "." number(substr(text, 3, 2)) "." number(substr(text, 5, 2)) "." \
		number(substr(text, 7, 2))
}

# "address:port", where the address may have colons too
function split_end(text,    at) {
	at = length(text) - 4
	end_ip = address(substr(text, 1, at - 1))
	end_port = number(substr(text, at + 1))
}

FNR == 1 { file++ }

# A line of a virtual service, then one for each of its servers.
file == 1 && ($1 == "TCP" || $1 == "UDP" || $1 == "SCTP") {
	split_end($2)
	protocol = $1
	virtual_ip = end_ip
	virtual_port = end_port
	scheduler = $3
	service = protocol "|" virtual_ip "|" virtual_port
}
# A service by firewall mark has no address.
file == 1 && $1 == "FWM" {
	service = $1 "||" number($2)
	scheduler = $3
}
file == 1 && $1 == "->" && $2 != "RemoteAddress:Port" {
	split_end($2)
	printf "|lvs_server|%s|%s|%s|%s|%s|%s|%s|%s|\n", service, end_ip, end_port, scheduler, $3, $4, $5, $6
}

# Connections by client: with the client's port, each would be a row of its own. Decoded only when printed: there
# may be millions of lines.
file == 2 && FNR > 1 && NF >= 8 { links[$2 " " $4 " " $6 " " $7 " " $5 " " $1]++ }

file == 3 && NF == 5 && $1 ~ /^[0-9A-F]+$/ && !totals {
	totals = 1
	printf "|lvs_total|%.0f|%.0f|%.0f|%.0f|%.0f|\n", number($1), number($2), number($3), number($4), number($5)
}

END {
	for (key in links) {
		# What does not fit is counted, not chosen.
		if (printed++ >= max_links) continue
		split(key, part, " ")
		printf "|ipvs_link|ip_vs|%s|%s||%s|0|%s|0|%s|%s|%.0f|\n", address(part[1]), address(part[2]), \
			address(part[3]), number(part[4]), number(part[5]), part[6], links[key]
	}
	printf("|lvs_links|%.0f|%.0f|\n", printed, (printed > max_links) ? printed - max_links : 0)
}
