# What a new customer does with Perl's Net::SMPP, told as JSON: a wrong password, a bind, submits short and long with receipts, MO, a
# query of an id nobody knows, an enquire_link, a goodbye, and all is well when it comes back.
#
# Usage: journey.pl HOST PORT SYSTEM_ID PASSWORD COUNT
use strict;
use warnings;
use Net::SMPP;

my ($host, $port, $system_id, $password, $count) = @ARGV;
my (@told, @receipts, %statuses, $mo);
$mo = 0;
$SIG{ALRM} = sub { die "nothing more came: " . @told . " told, " . @receipts . " receipts, $mo MO\n" };
alarm 20;

sub bound {
    my ($given) = @_;
    my ($session, $answer) = Net::SMPP->new_transceiver(
        $host, port => $port, system_id => $system_id, password => $given, interface_version => 0x34);
    return ($session, $answer ? $answer->status : -1);
}

# All that comes is read here, and what is asked is asked without waiting: answers and deliveries mix.
sub read_one {
    my ($session) = @_;
    my $pdu = $session->read_pdu() or die "the connection ended: ${*$session}{smpperror}\n";
    if ($pdu->cmd == Net::SMPP::CMD_deliver_sm) {
        $session->deliver_sm_resp(seq => $pdu->seq, message_id => '');
        if ($pdu->{esm_class} & 4) { push @receipts, $pdu->{short_message} =~ /id:(\S+)/; }
        else { $mo++; }
    } elsif ($pdu->cmd == Net::SMPP::CMD_submit_sm_resp) {
        $statuses{$pdu->status} = 1;
        push @told, $pdu->{message_id};
    } elsif ($pdu->cmd == Net::SMPP::CMD_enquire_link) {
        $session->enquire_link_resp(seq => $pdu->seq);
    }
    return $pdu;
}

sub answer_to {
    my ($session, $sequence) = @_;
    while (1) {
        my $pdu = read_one($session);
        return $pdu if $pdu->seq == $sequence && $pdu->cmd & 0x80000000;
    }
}

sub submit {
    my ($session, %fields) = @_;
    $session->submit_sm(
        source_addr_ton => 5, source_addr => 'ACME', dest_addr_ton => 1, destination_addr => '4915100000001',
        registered_delivery => 1, async => 1, %fields);
}

my (undef, $wrong) = bound("not $password");
my ($session, $status) = bound($password);
die "bind: $status\n" if $status;
my $expected = 0;
for my $at (1 .. $count) { submit($session, short_message => "message $at"); $expected++; }
submit($session, short_message => '', message_payload => 'x' x 400);
$expected++;
for my $part (1, 2) {
    submit($session, esm_class => 0x40, short_message => pack('C6', 5, 0, 3, 0xAA, 2, $part) . "part $part");
    $expected++;
}
read_one($session) while @told < $expected || @receipts < $expected || !$mo;
my $asked = $session->query_sm(
    message_id => '0123456789abcdef', source_addr_ton => 5, source_addr => 'ACME', async => 1);
my $query = answer_to($session, $asked)->status;
answer_to($session, $session->enquire_link(async => 1));
answer_to($session, $session->unbind(async => 1));
close $session;
($session, $status) = bound($password);
die "bind: $status\n" if $status;
submit($session, short_message => 'again');
$expected++;
read_one($session) while @told < $expected || @receipts < $expected;
answer_to($session, $session->unbind(async => 1));

my $quoted = sub { join ', ', map { "\"$_\"" } @_ };
my $statuses = join ', ', sort keys %statuses;
printf '{"wrong_password": %d, "expected": %d, "told": [%s], "receipts": [%s], "statuses": [%s], "mo": %d, "query": %d}' . "\n",
    $wrong, $expected, $quoted->(@told), $quoted->(@receipts), $statuses, $mo, $query;
