//! What a pattern means, printed for regex-lite and walked for its only match.

use std::fmt;

use super::characters::Set;
use super::MAX_TAG;

/// What a pattern means; groups and flags are already worked in.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    Set(Set),
    Assertion(Assertion),
    Sequence(Vec<Node>),
    Alternation(Vec<Node>),
    Repeat { node: Box<Node>, min: u32, max: Option<u32> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertion {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
}

/// What a pattern with a single match consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Start,
    End,
    Character(u8),
}

impl Node {
    /// The only way through the pattern, or `None` where there is a choice, no way, or one
    /// longer than a tag with some anchors.
    pub(super) fn pieces(&self) -> Option<Vec<Piece>> {
        let bounded = |pieces: Vec<Piece>| (pieces.len() <= 2 * MAX_TAG).then_some(pieces);
        match self {
            Node::Empty => Some(Vec::new()),
            Node::Set(set) => set.single().map(|character| vec![Piece::Character(character)]),
            Node::Assertion(Assertion::TextStart) => Some(vec![Piece::Start]),
            Node::Assertion(Assertion::TextEnd) => Some(vec![Piece::End]),
            Node::Assertion(_) => None,
            Node::Sequence(nodes) => {
                let mut pieces = Vec::new();
                for node in nodes {
                    pieces.extend(node.pieces()?);
                    pieces = bounded(pieces)?;
                }
                Some(pieces)
            }
            Node::Alternation(branches) => {
                let (first, others) = branches.split_first()?;
                let first = first.pieces()?;
                others.iter().all(|other| other.pieces().as_ref() == Some(&first)).then_some(first)
            }
            Node::Repeat { max: Some(0), .. } => Some(Vec::new()),
            Node::Repeat { node, min, max: Some(max) } if min == max => {
                let pieces = node.pieces()?;
                if pieces.len().saturating_mul(*max as usize) > 2 * MAX_TAG {
                    return None;
                }
                Some(pieces.repeat(*max as usize))
            }
            Node::Repeat { .. } => None,
        }
    }
}

/// Prints the pattern as regex-lite reads it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Empty => f.write_str("(?:)"),
            Node::Set(set) => write!(f, "{set}"),
            Node::Assertion(assertion) => f.write_str(match assertion {
                Assertion::TextStart => r"\A",
                Assertion::TextEnd => r"\z",
                Assertion::LineStart => "(?m:^)",
                Assertion::LineEnd => "(?m:$)",
                // In a group of its own, since regex-lite gives `\b{start}` a meaning.
                Assertion::WordBoundary => r"(?:\b)",
                Assertion::NoWordBoundary => r"(?:\B)",
            }),
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| write!(f, "{node}")),
            Node::Alternation(branches) => {
                f.write_str("(?:")?;
                for (i, branch) in branches.iter().enumerate() {
                    write!(f, "{}{branch}", if i == 0 { "" } else { "|" })?;
                }
                f.write_str(")")
            }
            Node::Repeat { node, min, max } => match max {
                Some(max) => write!(f, "(?:{node}){{{min},{max}}}"),
                None => write!(f, "(?:{node}){{{min},}}"),
            },
        }
    }
}
