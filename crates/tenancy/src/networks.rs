//! Networks of the internet: from where something may be used.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::lists;

/// All addresses that begin alike: `203.0.113.0/24`, `2001:db8::/32`, or a single one.
///
/// An IPv4 address written as an IPv6 one (`::ffff:203.0.113.7`) is that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    /// How many bits all addresses share.
    length: u8,
}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a network such as 203.0.113.0/24 or 2001:db8::/32, with nothing behind its prefix")]
pub struct InvalidNetwork;

impl Network {
    /// Whether the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.length) == Some(self.address)
    }

    /// What is likely to be one customer's: the /24 of an IPv4 address, the /64 of an IPv6 one.
    pub fn around(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { 24 } else { 64 };
        Self { address: masked(address, length).unwrap_or(address), length }
    }

    /// Whether every address of the other network is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(raw: &str) -> Result<Self, InvalidNetwork> {
        let (address, length) = match raw.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (raw, None),
        };
        let written: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let address = written.to_canonical();
        let bits = bits(written);
        let length = match length {
            Some(text) => text.parse().ok().filter(|length: &u8| *length <= bits && length.to_string() == text),
            None => Some(bits),
        };
        // The 96 bits before an IPv4 address in an IPv6 one say no more than that.
        let length = length.and_then(|length| length.checked_sub(bits - self::bits(address))).ok_or(InvalidNetwork)?;
        if masked(address, length) == Some(address) { Ok(Self { address, length }) } else { Err(InvalidNetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

crate::json_schema!(Network, crate::schema::format("cidr"));

impl serde::Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One to [`Networks::MAX`] networks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// The most there can be.
    pub const MAX: usize = 64;

    /// Reads a list of networks.
    pub fn parse<T: AsRef<str>>(raw: &[T]) -> Result<Self, InvalidNetwork> {
        let networks: Vec<Network> = raw.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>()?;
        if (1..=Self::MAX).contains(&networks.len()) { Ok(Self(networks)) } else { Err(InvalidNetwork) }
    }

    /// Whether the address is in any of them. One that is not known is in none.
    pub fn contain(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.iter().any(|network| network.contains(address)))
    }

    /// The first of the others that reaches beyond these.
    pub fn beyond(&self, others: &Self) -> Option<Network> {
        others.0.iter().find(|other| !self.0.iter().any(|network| network.covers(other))).copied()
    }

    /// The networks.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

impl<'de> serde::Deserialize<'de> for Networks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&lists::texts(deserializer, Self::MAX)?).map_err(serde::de::Error::custom)
    }
}

crate::json_schema!(Networks, crate::schema::list::<Network>(Networks::MAX));

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address without what lies behind its first bits; none if it has not so many.
fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    let cut = u32::from(bits(address).checked_sub(length)?);
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4((u32::MAX.checked_shl(cut).unwrap_or(0) & address.to_bits()).into()),
        IpAddr::V6(address) => IpAddr::V6((u128::MAX.checked_shl(cut).unwrap_or(0) & address.to_bits()).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_alike() {
        for (text, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("203.0.113.7/32", "::ffff:203.0.113.7", "::203.0.113.7"),
            ("::ffff:203.0.113.0/120", "203.0.113.9", "203.0.112.9"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "203.0.113.7"),
            ("::1", "::1", "::2"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn around_an_address_is_what_one_customer_has() {
        for (address, around) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(Network::around(address.parse().unwrap()), network(around));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "1",
            "a",
            "203.0.113.0/33",
            "203.0.113.7/24",
            "203.0.113.0/",
            "203.0.113.0/+8",
            "203.0.113.0/024",
            "203.0.113/24",
            "203.0.113.00/24",
            " 203.0.113.0/24",
            "2001:db8::/129",
            "2001:db8::1/64",
            "::ffff:203.0.113.0/24",
            "example.com",
            "203.0.113.0/24/24",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(InvalidNetwork), "{bad}");
        }
        assert!(Networks::parse::<&str>(&[]).is_err() && Networks::parse(&["::1"; 65]).is_err());
    }

    #[test]
    fn a_network_is_read_back_as_it_is_written() {
        for text in ["203.0.113.0/24", "203.0.113.7/32", "::/0", "2001:db8::/32"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("::ffff:203.0.113.0/120").to_string(), "203.0.113.0/24");
    }

    #[test]
    fn a_list_knows_what_reaches_beyond_it() {
        let list = |texts: &[&str]| Networks::parse(texts).unwrap();
        let outer = list(&["10.0.0.0/8", "2001:db8::/32"]);

        assert_eq!(outer.beyond(&list(&["10.1.0.0/16", "10.0.0.0/8", "2001:db8::1"])), None);
        assert_eq!(outer.beyond(&list(&["10.1.0.0/16", "0.0.0.0/0"])), Some(network("0.0.0.0/0")));
        assert!(
            outer.contain("10.9.9.9".parse().ok()) && !outer.contain("11.0.0.1".parse().ok()) && !outer.contain(None)
        );
    }
}
