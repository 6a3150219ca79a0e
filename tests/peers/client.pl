#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# client.pl ENDPOINT KEY FUNCTION INPUTS OUTPUTS: the same as client.py, in Perl. Follows "A minimal client" of
# proto/PROTOCOL.md.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use BeltPeer;
use IO::Handle;

use constant {WINDOW => 64, WINDOW_BYTES => 1 << 20, BATCH => 32, INLINE => 16384};

my ($endpoint, $key, $function, $inputs, $outputs) = @ARGV;
open my $in, '<:raw', $inputs or die "client.pl: $inputs: $!\n";
my @inputs = <$in>;
chomp @inputs;

# What is whole in the file was taken: its lines tell the cursor, and nothing else has to be remembered.
open my $out, '+>>:raw', $outputs or die "client.pl: $outputs: $!\n";
seek $out, 0, 0;
my $before = do { local $/; <$out> } // '';
my $whole = rindex($before, "\n") + 1;
truncate $out, $whole or die "client.pl: $outputs: $!\n";
my $taken = substr($before, 0, $whole) =~ tr/\n//;

my $session = BeltPeer->new($endpoint, 1, 'client.pl');
my ($ref, $max_payload, $job, $sub, $next, $pushed_bytes, $grant, $grant_bytes, $ended, $received_bytes) = (0);

# Waits for the answer to the last ref; what comes before it is of the connection before.
sub answer {
    my ($wanted) = @_;
    while (1) {
        my ($type, $fields) = $session->hear;
        return @$fields if $type == $wanted && $fields->[0] == $ref;
        die "refused: code $fields->[2]: $fields->[3]\n" if $type == BeltPeer::ERROR && $fields->[0] == $ref;
    }
}

sub acknowledge {
    $session->say(BeltPeer::ACK, [$sub, $taken, $taken + WINDOW, $received_bytes + WINDOW_BYTES]);
}

sub may_push { return $next < @inputs && $next < $grant && $pushed_bytes < $grant_bytes }

sub push_tasks {
    while (may_push()) {
        my ($first, @payloads, @attachments) = ($next);
        while (@payloads < BATCH && may_push()) {
            my $data = $inputs[$next];
            die "refused: line $next is too large\n" if length $data > $max_payload;
            push @payloads, length $data <= INLINE ? BeltPeer::bin($data) : length $data;
            push @attachments, $data if length $data > INLINE;
            $next++;
            $pushed_bytes += length $data;
        }
        $session->say(BeltPeer::PUSH, [$job, $first, \@payloads], @attachments);
    }
    if ($next == @inputs && !$ended) {
        $session->say(BeltPeer::END_JOB, [$job, $next]);
        $ended = 1;
    }
}

sub open_job {
    my $state;
    $ref++;
    $session->say(BeltPeer::OPEN, [$ref, BeltPeer::str($key), BeltPeer::str($function),
        {window_items => 2 * WINDOW, detached => BeltPeer::true(), durable => BeltPeer::true()}]);
    (undef, $job, $next, $pushed_bytes, $grant, $grant_bytes, $state) = answer(BeltPeer::OPENED);
    if ($taken > 0 && $next == 0) {    # the broker has forgotten a job that was read to its end
        $session->say(BeltPeer::CANCEL, [$ref, $job, {forget => BeltPeer::true()}]);
        exit 0 if $taken == @inputs;
        die "refused: the job is lost\n";
    }
    $ended = $state > 0;
    $ref++;
    $received_bytes = 0;
    $session->say(BeltPeer::SUBSCRIBE,
        [$ref, $job, BeltPeer::str('output'), 0, $taken, $taken + WINDOW, WINDOW_BYTES]);
    (undef, undef, $sub, my $cursor) = answer(BeltPeer::SUBSCRIBED);
    die "refused: cursor $cursor\n" if $cursor != $taken;
    acknowledge();
    push_tasks();
}

# For tests: the end in the middle of things.
sub end_here {
    my ($name, $rest) = @_;
    return if ($ENV{$name} // '') ne $taken;
    syswrite $out, $rest;
    kill KILL => $$;
}

sub take {
    my ($results, $attachments) = @_;
    my (@lines);
    for (@$results) {
        my ($index, undef, $code, undef, $payload, $extras) = @$_;
        my $data = ref $payload ? $$payload : shift @$attachments;
        $received_bytes += length $data;
        die "refused: result $index is not the next\n" if $index != $taken + @lines;
        push @lines, $code == 0 ? $data : "!$code " . ($extras->{text} // '');
    }
    for my $line (@lines) {
        end_here('DIE_WITHIN', substr $line, 0, length($line) / 2);
        syswrite $out, "$line\n";
        $taken++;
        end_here('DIE_BEFORE_ACK', '');
    }
    $out->sync;
}

# Takes one message; true: the job is done.
sub step {
    my ($type, $fields, $attachments) = $session->hear;
    if ($type == BeltPeer::ACCEPTED && $fields->[0] == $job) {
        ($grant, $grant_bytes) = @$fields[2, 3];
        push_tasks();
    } elsif ($type == BeltPeer::DELIVER && $fields->[0] == $sub) {
        take($fields->[2], $attachments);
        acknowledge();
    } elsif ($type == BeltPeer::DONE && $fields->[0] == $sub) {
        die "refused: the job ended with code $fields->[2]\n" if $fields->[2] != 0;
        die "refused: $fields->[1] results, $taken taken\n" if $fields->[1] != $taken || $taken != @inputs;
        return 1;
    } elsif ($type == BeltPeer::ERROR) {
        die "lost: $fields->[3]\n" if $fields->[2] == BeltPeer::SYNC_LOST;
        die "refused: code $fields->[2]: $fields->[3]\n";
    }
    return 0;
}

while (1) {
    my $done = eval {
        $max_payload = $session->connect->{max_payload};
        open_job();
        until (step()) { }
        $session->say(BeltPeer::BYE, [BeltPeer::str('done')]);
        1;
    };
    last if $done;
    die "client.pl: $@" unless $@ =~ /^lost:/;
}
