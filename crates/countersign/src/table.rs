//! Tables for people: columns as wide as what is in them.

use std::fmt;

/// Writes rows below a heading, with two spaces between columns and none at the end of a line.
pub(crate) fn write<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    heading: [&str; N],
    rows: &[[String; N]],
) -> fmt::Result {
    let heading = heading.map(str::to_owned);
    let all = || [&heading].into_iter().chain(rows);
    let widths: [usize; N] =
        std::array::from_fn(|column| all().map(|row| row[column].chars().count()).max().unwrap_or_default());
    for row in all() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  "));
        writeln!(f, "{}", cells.collect::<String>().trim_end())?;
    }
    Ok(())
}
