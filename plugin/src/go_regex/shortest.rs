//! How short a tag can be that a pattern matches; whether there is one at all.
//!
//! Which character stands at a place matters to its own set alone, and to assertions only as one of
//! three kinds. So a node is a table: from each border to each border, the fewest characters of a
//! tag that lead there. A border is what stands before a place and what stands behind it.

use super::characters::Set;
use super::tree::{Assertion, Node};
use super::MAX_TAG;

/// What may stand on one side of a border.
const EDGE: usize = 0;
const WORD: usize = 1;
const OTHER: usize = 2;
const KINDS: usize = 3;

/// The characters of a kind that a tag may hold (OCI distribution specification 1.1).
const CHARACTERS: [Set; KINDS] = [Set::NONE, Set::WORD, Set::of(&[(b'-', b'.')])];

/// Longer than any tag.
const NEVER: u8 = MAX_TAG as u8 + 1;

/// A border as a number: what is before it, and what is behind it.
const fn border(before: usize, behind: usize) -> usize {
    before * KINDS + behind
}

const BORDERS: usize = KINDS * KINDS;

#[derive(Clone, Copy, PartialEq)]
struct Table([[u8; BORDERS]; BORDERS]);

impl Node {
    /// The length of the shortest tag that the pattern is found in; `None` where no tag is.
    pub(super) fn shortest_tag(&self) -> Option<u8> {
        let around = Table::of_set(Set::ALL).repeated(0, None);
        let whole = around.then(&self.table()).then(&around);
        // A tag has a first character, and that one is of a word.
        let lengths = whole.0[border(EDGE, WORD)];
        let shortest = lengths[border(WORD, EDGE)].min(lengths[border(OTHER, EDGE)]);
        (shortest < NEVER).then_some(shortest)
    }

    fn table(&self) -> Table {
        match self {
            Node::Empty => Table::where_holds(|_, _| true),
            Node::Set(set) => Table::of_set(*set),
            Node::Assertion(assertion) => Table::of_assertion(*assertion),
            Node::Sequence(nodes) => {
                nodes.iter().fold(Table::where_holds(|_, _| true), |table, node| table.then(&node.table()))
            }
            Node::Alternation(nodes) => {
                nodes.iter().fold(Table::nowhere(), |table, node| table.or(&node.table()))
            }
            Node::Repeat { node, min, max } => node.table().repeated(*min, *max),
        }
    }
}

impl Table {
    fn nowhere() -> Table {
        Table([[NEVER; BORDERS]; BORDERS])
    }

    /// What takes no character, at the borders where it holds.
    fn where_holds(holds: fn(usize, usize) -> bool) -> Table {
        let mut table = Table::nowhere();
        for before in 0..KINDS {
            for behind in 0..KINDS {
                if holds(before, behind) {
                    table.0[border(before, behind)][border(before, behind)] = 0;
                }
            }
        }
        table
    }

    fn of_assertion(assertion: Assertion) -> Table {
        let holds: fn(usize, usize) -> bool = match assertion {
            // A tag is one line.
            Assertion::TextStart | Assertion::LineStart => |before, _| before == EDGE,
            Assertion::TextEnd | Assertion::LineEnd => |_, behind| behind == EDGE,
            Assertion::WordBoundary => |before, behind| (before == WORD) != (behind == WORD),
            Assertion::NoWordBoundary => |before, behind| (before == WORD) == (behind == WORD),
        };
        Table::where_holds(holds)
    }

    fn of_set(set: Set) -> Table {
        let mut table = Table::nowhere();
        for before in 0..KINDS {
            for character in [WORD, OTHER] {
                // A tag does not begin with `.` or `-`.
                if set.and(CHARACTERS[character]) == Set::NONE || (before == EDGE && character == OTHER) {
                    continue;
                }
                for behind in 0..KINDS {
                    table.0[border(before, character)][border(character, behind)] = 1;
                }
            }
        }
        table
    }

    fn or(mut self, other: &Table) -> Table {
        for (row, others) in self.0.iter_mut().zip(&other.0) {
            for (length, other) in row.iter_mut().zip(others) {
                *length = (*length).min(*other);
            }
        }
        self
    }

    fn then(&self, next: &Table) -> Table {
        let mut table = Table::nowhere();
        for (row, firsts) in table.0.iter_mut().zip(&self.0) {
            for (first, seconds) in firsts.iter().zip(&next.0) {
                for (length, second) in row.iter_mut().zip(seconds) {
                    *length = (*length).min(first.saturating_add(*second));
                }
            }
        }
        table
    }

    /// `{min,max}`, by squaring.
    fn repeated(self, min: u32, max: Option<u32>) -> Table {
        let maybe = self.or(&Table::where_holds(|_, _| true));
        // More repetitions that take a character than a tag has never lead to its end.
        let more = max.map_or(MAX_TAG as u32, |max| max.saturating_sub(min));
        self.power(min).then(&maybe.power(more))
    }

    fn power(self, mut times: u32) -> Table {
        let (mut result, mut square) = (Table::where_holds(|_, _| true), self);
        while times > 0 {
            if times & 1 == 1 {
                result = result.then(&square);
            }
            square = square.then(&square);
            times >>= 1;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::super::GoRegex;

    fn shortest(pattern: &str) -> Option<u8> {
        GoRegex::parse(pattern).expect(pattern).node.shortest_tag()
    }

    #[test]
    fn finds_the_shortest_tag() {
        for (pattern, length) in [
            ("", 1),
            ("^22-alpine$", 9),
            ("-alpine$", 8),
            (r"\.", 2),
            ("^v?[0-9]+$", 1),
            (r"^\d+\.\d+$", 3),
            ("^(|a b|abc)$", 3),
            (r"^a\b-", 2),
            (r"\B", 2),
            (r"a\B$|aa", 2),
            (r"\b$", 1),
            ("^a{3}(-b){2,}$", 7),
            ("^(a{10}){12}$", 120),
            ("^[^a-zA-Z]$", 1),
            ("(?m)^a$", 1),
            ("é|b", 1),
        ] {
            assert_eq!(shortest(pattern), Some(length), "`{pattern}`");
        }
        let longest = format!("^{}$", "a".repeat(128));
        assert_eq!(shortest(&longest), Some(128));
    }

    #[test]
    fn knows_where_no_tag_matches() {
        for pattern in [
            "^$",
            "^-",
            r"^\.",
            "^16 alpine$",
            "^(16|17)/",
            r"^3\\.12-slim$",
            r"^[0-9]+\\.[0-9]+$",
            "^v1[+]",
            "latest:",
            "é",
            r"^(22|24)\n?$-",
            "$1",
            "1^",
            r"a\ba",
            r"^\B",
            r"\b-\B[a-z]",
            r"-\b-",
            "[^\\x00-\\x7f]",
            "(a ){2}",
            "( a)+",
            "^(a{10}){13}$",
            "^a{129}$",
            "(?:a{64}-){2}",
            "(?m)a\n^b",
        ] {
            assert_eq!(shortest(pattern), None, "`{pattern}`");
        }
        // What may be left out does no harm.
        assert_eq!(shortest("^16( alpine)?$"), Some(2));
        assert_eq!(shortest("(a ){0}"), Some(1));
    }

    /// Each pattern of a few pieces against each tag of a few characters, with the matcher as judge.
    #[test]
    fn agrees_with_the_matcher() {
        const PIECES: [&str; 12] = ["", "a", "_", "-", ".", " ", "^", "$", r"\b", r"\B", "[-a]", "[^-]"];
        const WAYS: [(&str, &str, &str); 5] = [
            ("", "", ""),
            ("^", "", "$"),
            ("(", "|", ")"),
            ("(?:", ")*(?:", "){1,2}"),
            ("^(?:", "){2}", "$"),
        ];
        let mut tags = vec![String::new()];
        for length in 1..=4 {
            for tag in tags.clone().iter().filter(|tag| tag.len() == length - 1) {
                tags.extend(["a", "_", "-", "."].map(|next| format!("{tag}{next}")));
            }
        }
        tags.retain(|tag| tag.starts_with(['a', '_']));
        let mut counts = [0, 0];
        for (open, between, close) in WAYS {
            for first in PIECES {
                for second in PIECES {
                    for third in PIECES {
                        let pattern = format!("{open}{first}{between}{second}{third}{close}");
                        let Ok(regex) = GoRegex::parse(&pattern) else { continue };
                        let found = tags.iter().filter(|tag| regex.is_match(tag)).map(String::len).min();
                        let said = regex.node.shortest_tag().map(usize::from);
                        assert_eq!(said.filter(|length| *length <= 4), found, "`{pattern}`");
                        counts[usize::from(found.is_some())] += 1;
                    }
                }
            }
        }
        assert!(counts[0] > 1000 && counts[1] > 1000, "{counts:?}");
    }

    #[test]
    fn the_largest_pattern_takes_no_time() {
        let deep = format!("^{}a{}", "(?:".repeat(90), "){1,1000}".to_owned() + &")*".repeat(89));
        assert_eq!(shortest(&deep), Some(1));
        let long = "(?:a+b*){0,2}".repeat(1000);
        assert_eq!(shortest(&long), Some(1));
    }
}
