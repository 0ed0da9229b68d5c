//! The table, as it can be pasted into a document.

#![forbid(unsafe_code)]

use super::Column;
use std::fmt::Write;

/// What a cell shows.
enum Mark {
    Passed,
    /// The number of the note below.
    Explained(usize),
    Failed,
}

/// Rows in the order in which they were tested, and the notes that their cells refer to.
pub(super) struct Table {
    title: String,
    rows: Vec<(&'static str, Vec<Mark>)>,
    notes: Vec<String>,
    failures: Vec<String>,
}

impl Table {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), rows: Vec::new(), notes: Vec::new(), failures: Vec::new() }
    }

    pub(super) fn passed(&mut self, row: &'static str) {
        self.mark(row, Mark::Passed);
    }

    pub(super) fn explained(&mut self, row: &'static str, why: &str) {
        let known = self.notes.iter().position(|note| note == why);
        let place = known.unwrap_or_else(|| {
            self.notes.push(why.to_owned());
            self.notes.len() - 1
        });
        self.mark(row, Mark::Explained(place + 1));
    }

    pub(super) fn failed(&mut self, row: &'static str, column: Column, why: &str) {
        self.failures.push(format!("{row}, {}: {why}", column.name()));
        self.mark(row, Mark::Failed);
    }

    fn mark(&mut self, row: &'static str, mark: Mark) {
        match self.rows.last_mut() {
            Some((name, marks)) if *name == row => marks.push(mark),
            _ => self.rows.push((row, vec![mark])),
        }
    }

    #[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
    pub(super) fn print(&self) {
        println!("\n{self}");
    }

    /// Fails where a cell did, or is not there.
    pub(super) fn check(&self) {
        for (name, marks) in &self.rows {
            assert_eq!(marks.len(), Column::ALL.len(), "{name} has holes");
        }
        assert!(!self.rows.is_empty(), "a table without a row");
        assert!(self.failures.is_empty(), "{} cells failed, see above", self.failures.len());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let (mut head, mut rule) =
            (format!("| {:width$} |", "op"), format!("|{:-<1$}|", "", width + 2));
        for column in Column::ALL {
            write!(head, " {:7} |", column.name())?;
            rule.push_str("--------:|");
        }
        writeln!(f, "### {}\n\n{head}\n{rule}", self.title)?;
        for (name, marks) in &self.rows {
            write!(f, "| {name:width$} |")?;
            for mark in marks {
                let shown = match mark {
                    Mark::Passed => "✓".to_owned(),
                    Mark::Explained(note) => format!("[{note}]"),
                    Mark::Failed => "✗".to_owned(),
                };
                write!(f, " {shown:>7} |")?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for (place, note) in self.notes.iter().enumerate() {
            writeln!(f, "{:>3}. {note}", place + 1)?;
        }
        for failure in &self.failures {
            writeln!(f, "  ✗ {failure}")?;
        }
        Ok(())
    }
}
