//! Lanes: messages that may leave by the same providers stand in one lane, so that those who cannot leave hold up nobody else.

use std::fmt;
use std::str::FromStr;

use segflow_protocol::Stream;

/// Which messages. In order, those of transactions come first: a person waits for them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub stream: Stream,
    pub workspace: String,
    pub via: Via,
}

/// By which of the project's providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    #[default]
    Any,
    /// Any other, if there is one: this one could not take it.
    Not(String),
    /// The account that may have it already, and would know it again.
    Only(String),
}

impl Lane {
    pub fn new(stream: Stream, workspace: &str) -> Lane {
        Lane { stream, workspace: workspace.into(), via: Via::Any }
    }
}

/// As the database writes it (migration 0007).
impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = match self.stream {
            Stream::Transactions => 't',
            Stream::Campaigns => 'c',
        };
        write!(f, "{stream}|{}", self.workspace)?;
        match &self.via {
            Via::Any => Ok(()),
            Via::Not(provider) => write!(f, "|!{provider}"),
            Via::Only(account) => write!(f, "|={account}"),
        }
    }
}

impl FromStr for Lane {
    type Err = String;

    fn from_str(text: &str) -> Result<Lane, String> {
        let (stream, rest) = match text.split_once('|') {
            Some(("t", rest)) => (Stream::Transactions, rest),
            Some(("c", rest)) => (Stream::Campaigns, rest),
            _ => return Err(format!("`{text}` is no lane")),
        };
        // An account has no such marks in it, a provider may.
        let (workspace, via) = match (rest.split_once("|!"), rest.split_once("|=")) {
            (Some((workspace, provider)), _) => (workspace, Via::Not(provider.into())),
            (None, Some((workspace, account))) => (workspace, Via::Only(account.into())),
            (None, None) => (rest, Via::Any),
        };
        Ok(Lane { stream, workspace: workspace.into(), via })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_read_as_they_are_written() {
        for text in ["t|main", "c|main", "c|main|!postmark", "t|shop two|=a0b1", "c|main|!odd|=name"] {
            let lane: Lane = text.parse().expect("a lane");
            assert_eq!(lane.to_string(), text);
        }
        let odd: Lane = "c|main|!odd|=name".parse().expect("a lane");
        assert_eq!(odd.via, Via::Not("odd|=name".into()));
        for bad in ["", "main", "x|main", "t"] {
            assert!(bad.parse::<Lane>().is_err(), "{bad}");
        }
    }

    #[test]
    fn transactions_come_first_whatever_the_workspace() {
        let mut lanes: Vec<Lane> = ["c|a", "t|z", "c|a|!p", "t|b"].map(|text| text.parse().expect("a lane")).into();
        lanes.sort();
        let lanes: Vec<String> = lanes.iter().map(Lane::to_string).collect();
        assert_eq!(lanes, ["t|b", "t|z", "c|a", "c|a|!p"]);
    }
}
