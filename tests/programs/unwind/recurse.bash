# Deep recursion in a shell, and children of it; for oracle.sh.
f()
{
	[ "$1" = 0 ] || f $(($1 - 1))
}

f 150
for i in 1 2 3; do
	ls / >/dev/null
done
