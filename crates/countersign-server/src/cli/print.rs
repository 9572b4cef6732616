//! What the commands print alike: tables, moments, yes and no.

use countersign::Timestamp;

use crate::telemetry::one_line;

/// A line a row, under a line of names; each column as wide as its widest cell.
pub(super) fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let rows: Vec<_> = std::iter::once(head.map(ToOwned::to_owned)).chain(rows).collect();
    let mut widths = Widths::default();
    for row in &rows {
        widths.fit(row);
    }
    rows.iter().map(|row| widths.line(row)).collect::<Vec<_>>().join("\n")
}

/// How wide the columns of a table are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths<const COLUMNS: usize>([usize; COLUMNS]);

impl<const COLUMNS: usize> Default for Widths<COLUMNS> {
    fn default() -> Self {
        Self([0; COLUMNS])
    }
}

impl<const COLUMNS: usize> Widths<COLUMNS> {
    /// Makes room for the cells of a row.
    pub(super) fn fit(&mut self, row: &[impl AsRef<str>; COLUMNS]) {
        for (width, cell) in self.0.iter_mut().zip(row) {
            *width = one_line(cell.as_ref()).chars().count().max(*width);
        }
    }

    /// A row as one line.
    pub(super) fn line(&self, row: &[impl AsRef<str>; COLUMNS]) -> String {
        let cells = row.iter().zip(self.0).map(|(cell, width)| format!("{:<width$}", one_line(cell.as_ref())));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

pub(super) fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// 400 years.
const DAYS_OF_A_CYCLE: i64 = 146_097;

/// From the first of March of the year 0 to 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

/// A moment as RFC 3339 has it, in UTC.
pub(super) fn utc(moment: Timestamp) -> String {
    let (days, second) = (moment.seconds().div_euclid(SECONDS_OF_A_DAY), moment.seconds().rem_euclid(SECONDS_OF_A_DAY));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The date of a day since 1970, in the Gregorian calendar: years begin in March here, so that a leap day is the last of
/// its year, and 400 years are a cycle of 146,097 days.
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970.saturating_add(DAYS_BEFORE_1970);
    let (cycle, day) = (days.div_euclid(DAYS_OF_A_CYCLE), days.rem_euclid(DAYS_OF_A_CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day_of_month)
}

/// The first moment of a day, given as year, month and day, in seconds since 1970.
pub(super) fn seconds_of((year, month, day): (i64, i64, i64)) -> i64 {
    // As above: the year begins in March.
    let (year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let days = cycle * DAYS_OF_A_CYCLE + 365 * year + year / 4 - year / 100 + (153 * march_month + 2) / 5 + day - 1;
    (days - DAYS_BEFORE_1970) * SECONDS_OF_A_DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        for (seconds, written) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(Timestamp::from_seconds(seconds)), written);
        }
    }

    #[test]
    fn a_date_is_the_moment_that_is_written_so() {
        for days in (-800_000..800_000).step_by(97) {
            assert_eq!(seconds_of(date(days)), days * SECONDS_OF_A_DAY);
        }
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell_and_a_row_is_one_line() {
        let rows = [["a".to_owned(), "b".to_owned()], ["Zoë".to_owned(), "c\nd".to_owned()]];
        assert_eq!(table(["X", "YY"], rows), "X    YY\na    b\nZoë  c\\u000ad");
    }
}
