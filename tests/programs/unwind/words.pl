# Hashes, regular expressions and a module that is loaded late; for oracle.sh.
use strict;
my %seen;
$seen{$_} = [ map { "$_" x 20 } 1 .. 9 ] for 1 .. 2000;
require POSIX;
for my $key (sort keys %seen) {
	my $text = join ",", @{ $seen{$key} };
	$text =~ s/(\d)(\d)/$2$1/g;
}
print scalar(keys %seen), " ", POSIX::floor(3.5), "\n";
