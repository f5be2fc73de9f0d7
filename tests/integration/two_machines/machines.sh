# Makes two machines and the wire between them, says what their first processes are, and ends with its standard input. Nothing outlives
# it: namespaces end with the last process in them. Run as root, or as the root of a user namespace.
#
# $1: a folder for itself; $2: the hosts file that both see. Prints "hub PID desktop PID".
set -eu
folder=$1
exec 3<&0

mount --bind "$2" /etc/hosts
ip link set lo up
# Who is no root may serve port 443 of a machine of its own.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start

mkfifo "$folder/started"
# shellcheck disable=SC2016 # its own process id
unshare --net sh -c 'echo $$ >"$1"; exec cat <&3' - "$folder/started" &
read -r desktop <"$folder/started"
at_desktop() { nsenter --net --target "$desktop" "$@"; }

ip link add wire type veth peer name wire netns "$desktop"
ip address add 192.0.2.1/24 dev wire
ip link set wire up
at_desktop ip link set lo up
at_desktop ip address add 192.0.2.2/24 dev wire
at_desktop ip address add 192.0.2.3/24 dev wire
at_desktop ip link set wire up
# As a router does at home: only answers come in.
at_desktop nft -f - <<'RULES'
table inet router {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
    }
}
RULES

echo "hub $$ desktop $desktop"
exec cat
