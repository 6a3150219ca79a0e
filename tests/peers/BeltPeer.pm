# SPDX-License-Identifier: Apache-2.0
#
# A peer of a Belt broker in plain Perl, written from proto/PROTOCOL.md alone: ZMTP 3.0 (a DEALER without security), the
# part of msgpack that the protocol uses, and a session. A connection that is over dies with "lost: …"; a broker that
# will not have us with "refused: …".
package BeltPeer;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

use constant {
    HELLO => 1, WELCOME => 2, ERROR => 3, PING => 4, PONG => 5, BYE => 6,
    OPEN => 10, OPENED => 11, PUSH => 12, ACCEPTED => 13, END_JOB => 14,
    SUBSCRIBE => 16, SUBSCRIBED => 17, DELIVER => 18, ACK => 19, DONE => 20, CANCEL => 22,
    SYNC_LOST => 35,
};

$SIG{PIPE} = 'IGNORE';

# ---- msgpack: a number is \123 or 123, a str \"text" is made by str(), bytes by bin(), a list [], a map {} ----

sub str { return bless \(my $text = shift), 'BeltPeer::Str' }
sub bin { return bless \(my $text = shift), 'BeltPeer::Bin' }
sub true { return bless \(my $yes = 1), 'BeltPeer::True' }

sub packed {
    my ($value) = @_;
    return "\xc0" unless defined $value;
    my $kind = ref $value;
    if ($kind eq 'BeltPeer::Str') {
        my $len = length $$value;
        return ($len < 32 ? chr(0xa0 | $len) : "\xda" . pack('n', $len)) . $$value;
    }
    if ($kind eq 'BeltPeer::Bin') {
        my $len = length $$value;
        return ($len < 256 ? "\xc4" . chr($len) : "\xc5" . pack('n', $len)) . $$value;
    }
    return "\xc3" if $kind eq 'BeltPeer::True';
    if ($kind eq 'ARRAY') {
        my $len = @$value;
        return join '', ($len < 16 ? chr(0x90 | $len) : "\xdc" . pack('n', $len)), map { packed($_) } @$value;
    }
    if ($kind eq 'HASH') {
        return join '', chr(0x80 | keys %$value), map { packed(str($_)) . packed($value->{$_}) } sort keys %$value;
    }
    return $value < 128 ? chr $value : "\xcf" . pack('Q>', $value);
}

my %SIZED = (0xc4 => 'C', 0xc5 => 'n', 0xc6 => 'N', 0xd9 => 'C', 0xda => 'n', 0xdb => 'N',
    0xdc => 'n', 0xdd => 'N', 0xde => 'n', 0xdf => 'N');
my %NUMBER = (0xcc => 'C', 0xcd => 'n', 0xce => 'N', 0xcf => 'Q>', 0xd0 => 'c', 0xd1 => 's>', 0xd2 => 'l>', 0xd3 => 'q>');
my %BYTES = (C => 1, c => 1, n => 2, 's>' => 2, N => 4, 'l>' => 4, 'Q>' => 8, 'q>' => 8);

sub cut {
    my ($data, $len) = @_;
    die "refused: the message ends too early\n" if length $$data < $len;
    return substr $$data, 0, $len, '';
}

# Takes one value from the front of $$data. Bytes of a payload come as a reference, so that nobody takes them for a length.
sub unpacked {
    my ($data) = @_;
    my $first = ord cut($data, 1);
    return $first if $first < 0x80;
    return $first - 256 if $first >= 0xe0;
    return { map { unpacked($data) } 1 .. 2 * ($first & 15) } if $first < 0x90;
    return [map { unpacked($data) } 1 .. ($first & 15)] if $first < 0xa0;
    return cut($data, $first & 31) if $first < 0xc0;
    return undef if $first == 0xc0;
    return $first == 0xc3 if $first == 0xc2 || $first == 0xc3;
    my $number = $NUMBER{$first};
    return unpack $number, cut($data, $BYTES{$number}) if $number;
    my $form = $SIZED{$first} or die "refused: byte $first is not of the protocol\n";
    my $count = unpack $form, cut($data, $BYTES{$form});
    return \cut($data, $count) if $first <= 0xc6;
    return cut($data, $count) if $first <= 0xdb;
    return [map { unpacked($data) } 1 .. $count] if $first <= 0xdd;
    return { map { unpacked($data) } 1 .. 2 * $count };
}

# ---- ZMTP 3.0 ----

sub dial {
    my ($self) = @_;
    my ($address) = $self->{endpoint} =~ m{^tcp://(.*)$} or die "refused: $self->{endpoint} is no tcp address\n";
    $self->{socket} = IO::Socket::INET->new(PeerAddr => $address, Proto => 'tcp', Timeout => 2) or die "lost: $!\n";
    binmode $self->{socket};
    $self->{select} = IO::Select->new($self->{socket});
    $self->{data} = '';
    $self->{frames} = [];
    my $ready = "\x05READY\x0bSocket-Type" . pack('N', 6) . 'DEALER';
    $self->put("\xff" . "\0" x 8 . "\x7f\x03\0" . pack('a20', 'NULL') . "\0" x 32 . "\x04" . chr(length $ready) . $ready);
    while (length $self->{data} < 64) { $self->fill(2) or die "lost: no greeting\n" }
    substr $self->{data}, 0, 64, '';
}

sub put {
    my ($self, $bytes) = @_;
    while (length $bytes) {
        my $sent = syswrite $self->{socket}, $bytes or die "lost: $!\n";
        substr $bytes, 0, $sent, '';
    }
}

sub fill {
    my ($self, $seconds) = @_;
    return 0 unless $self->{select}->can_read($seconds > 0 ? $seconds : 0);
    sysread $self->{socket}, $self->{data}, 1 << 18, length $self->{data} or die "lost: the connection ended\n";
    return 1;
}

sub put_message {
    my ($self, @frames) = @_;
    my $out = '';
    for my $i (0 .. $#frames) {
        my ($more, $len) = ($i < $#frames ? 1 : 0, length $frames[$i]);
        $out .= ($len < 256 ? chr($more) . chr($len) : chr($more | 2) . pack('Q>', $len)) . $frames[$i];
    }
    $self->put($out);
    $self->{spoke} = time;
}

sub frame {
    my ($self) = @_;
    return if length $self->{data} < 2;
    my ($flags, $len) = unpack 'CC', $self->{data};
    my $start = 2;
    if ($flags & 2) {
        return if length $self->{data} < 9;
        ($start, $len) = (9, unpack 'Q>', substr $self->{data}, 1, 8);
    }
    return if length $self->{data} < $start + $len;
    substr $self->{data}, 0, $start, '';
    return ($flags, substr $self->{data}, 0, $len, '');
}

# The frames of the next message; none: none came in time.
sub get_message {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    while (1) {
        my ($flags, $frame) = $self->frame;
        if (!defined $flags) {
            return unless $self->fill($until - time);
        } elsif (!($flags & 4)) {    # commands of ZMTP are not for us
            push @{$self->{frames}}, $frame;
            next if $flags & 1;
            my @frames = @{$self->{frames}};
            $self->{frames} = [];
            return @frames;
        }
    }
}

# ---- a session ----

sub new {
    my ($class, $endpoint, $role, $name) = @_;
    open my $random, '<:raw', '/dev/urandom' or die "refused: no random numbers: $!\n";
    read $random, my $id, 16;
    return bless {endpoint => $endpoint, role => $role, name => $name, id => $id, heartbeat => 1, lease => 5}, $class;
}

# Says hello until it is welcomed; returns the props of WELCOME.
sub connect {
    my ($self) = @_;
    while (1) {
        my $props = eval { $self->dial; $self->hello };
        return $props if $props;
        die $@ unless $@ =~ /^lost:/;
        sleep 0.05;
    }
}

sub hello {
    my ($self) = @_;
    ($self->{sent}, $self->{expected}) = (0, 1);
    $self->put_message(packed([HELLO, 0, 1, $self->{role}, bin($self->{id}), str($self->{name}), {}]));
    my $until = time + $self->{lease};
    while (time < $until) {
        my ($header) = $self->get_message($until - time) or next;
        my ($type, $seq, @fields) = @{unpacked(\$header)};
        die "refused: $fields[3]\n" if $type == ERROR && $seq == 0 && $fields[2] != SYNC_LOST;
        next unless $type == WELCOME;
        $self->{heard} = time;
        $self->{heartbeat} = $fields[2]{heartbeat_ms} / 1000;
        $self->{lease} = $fields[2]{lease_ms} / 1000;
        return $fields[2];
    }
    die "lost: no welcome\n";
}

sub say {
    my ($self, $type, $fields, @attachments) = @_;
    $self->put_message(packed([$type, ++$self->{sent}, @$fields]), @attachments);
}

# The next message: type, fields, attachments.
sub hear {
    my ($self) = @_;
    while (1) {
        die "lost: the broker is silent\n" if time - $self->{heard} > $self->{lease};
        $self->say(PING, []) if time - $self->{spoke} >= $self->{heartbeat};
        my ($header, @attachments) = $self->get_message($self->{heartbeat} / 2) or next;
        $self->{heard} = time;
        my ($type, $seq, @fields) = @{unpacked(\$header)};
        die "lost: $fields[3]\n" if $type == ERROR && $seq == 0 && $fields[2] == SYNC_LOST;
        next if $seq < $self->{expected};
        die "lost: messages were lost on the way\n" if $seq > $self->{expected};
        $self->{expected}++;
        die "lost: the broker left\n" if $type == BYE;
        return ($type, \@fields, \@attachments) unless $type == PONG;
    }
}

1;
