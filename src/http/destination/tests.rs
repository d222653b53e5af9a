//! Where a call may go: which addresses are refused, and how a URL is read.

use super::*;

fn destination(is_tls: bool, host: &str, port: u16, path_and_query: &str) -> Destination {
    let authority = if port == 443 && is_tls || port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    Destination { is_tls, host: host.to_owned(), port, authority, path_and_query: path_and_query.to_owned() }
}

#[test]
fn a_url_says_how_where_and_what_to_call() {
    for (url, expected) in [
        ("https://acme.example/sms?a=b#c", destination(true, "acme.example", 443, "/sms?a=b")),
        ("https://acme.example", destination(true, "acme.example", 443, "/")),
        ("HTTPS://acme.example?a=/b", destination(true, "acme.example", 443, "/?a=/b")),
        ("http://192.0.2.1:8080/", destination(false, "192.0.2.1", 8080, "/")),
        ("https://[2001:db8::1]:8443/x", destination(true, "[2001:db8::1]", 8443, "/x")),
        ("http://[::1]/", destination(false, "[::1]", 80, "/")),
    ] {
        assert_eq!(Destination::read(url, true), Ok(expected), "{url}");
    }
    assert_eq!(destination(true, "h", 443, "/").target(), "h:443");
}

#[test]
fn what_cannot_be_called_is_refused() {
    for (url, why) in [
        ("", "is no URL"),
        ("/sms", "is no absolute URL"),
        ("acme.example:443", "is no absolute URL"),
        ("ftp://h/", "is neither https nor http"),
        ("file:///etc/passwd", "is no URL"),
        ("https:///sms", "is no URL"),
        ("https://h /", "is no URL"),
        ("https://h\r\nX: y/", "is no URL"),
        ("https://user@h/", "holds a user or a password"),
        ("https://user:password@h/", "holds a user or a password"),
        ("https://allowed.example@10.0.0.1/", "holds a user or a password"),
        ("https://h:/", "names no port"),
        ("https://h:0/", "names no port"),
        ("https://h:65536/", "names no port"),
        ("https://:443/", "names no host"),
    ] {
        assert_eq!(Destination::read(url, true), Err(why), "{url}");
    }
    assert!(Destination::read("http://h/", false).unwrap_err().starts_with("is not https"));
    assert!(Destination::read("https://h/", false).is_ok());
}

#[test]
fn every_address_reaches_what_it_is_assigned_to() {
    let public = [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::1",
        "2001:db7::",
        "2001:db9::",
        "2606:4700:4700::1111",
        "2a00:1450:4001::200e",
        "3ffe:ffff::",
        "3fff:1000::",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ];
    let private = [
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.0.0",
        "192.168.255.255",
        "::1",
        "fc00::",
        "fd12:3456::1",
        "fdff:ffff::",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::192.168.1.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
    ];
    let never = [
        "0.0.0.0",
        "0.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "168.63.129.16",
        "100.100.100.200",
        "::",
        "::2",
        "::10.0.0.1",
        "::127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::ffff:100.100.100.200",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:1ff:ffff::",
        "2001:db8::1",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "ff02::1",
        "ffff::",
        "1fff:ffff::",
    ];
    for (addresses, expected) in [(&public[..], Reach::Public), (&private, Reach::Private), (&never, Reach::Never)] {
        for address in addresses {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }
}

#[test]
fn private_addresses_need_the_operators_word_and_our_own_listeners_are_never_called() {
    let ours = ["127.0.0.1:9090", "0.0.0.0:2775", "[::]:8080", "203.0.114.9:3550"].map(|at| at.parse().unwrap());
    let is_local =
        |ip: IpAddr| ["127.0.0.1", "127.0.0.2", "10.0.0.5", "1.2.3.4"].map(|at| at.parse().unwrap()).contains(&ip);
    let judged = |address: &str, allow_private| judge(address.parse().unwrap(), allow_private, &ours, is_local);
    for (address, in_public, with_private) in [
        ("1.1.1.1:443", true, true),
        ("1.1.1.1:9090", true, true),
        ("10.0.0.5:443", false, true),
        ("[::ffff:10.0.0.5]:443", false, true),
        ("127.0.0.1:8000", false, true),
        ("169.254.169.254:80", false, false),
        ("127.0.0.1:9090", false, false),
        ("[::ffff:127.0.0.1]:9090", false, false),
        ("127.0.0.2:9090", false, true),
        ("127.0.0.2:2775", false, false),
        ("10.0.0.5:2775", false, false),
        ("10.0.0.6:2775", false, true),
        ("1.2.3.4:8080", false, false),
        ("1.2.3.4:8081", true, true),
        ("203.0.114.9:3550", false, false),
        ("203.0.114.9:3551", true, true),
    ] {
        assert_eq!(
            (judged(address, false).is_ok(), judged(address, true).is_ok()),
            (in_public, with_private),
            "{address}"
        );
    }
}
