#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# The same coprocess as coprocess.py, in Perl, written from worker/SLOTS.md alone.
use strict;
use warnings;

binmode STDIN;
binmode STDOUT;
$| = 1;
print "belt-slot 1\n";
while (my $line = <STDIN>) {
    my (undef, $task, undef, undef, $argument_length, $payload_length) = split ' ', $line;
    read STDIN, my $argument, $argument_length;
    read STDIN, my $payload, $payload_length;
    if ($payload =~ /^(fail|refuse)/) {
        printf "fail %d 0 1 %d id=%s\n%s", length $payload, $1 eq 'refuse' ? 9 : 1, $task, $payload;
    } else {
        printf "ok %d id=%s\n%s", length $payload, $task, scalar reverse $payload;
    }
}
