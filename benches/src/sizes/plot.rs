//! The picture of the table, as SVG: the same rows give the same bytes.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::row::{Row, STORES};

const WIDTH: u32 = 1_080;
const HEIGHT: u32 = 860;
const PANEL: u32 = 400;
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
const GREY: RGBColor = RGBColor(110, 110, 110);
const FONT: &str = "sans-serif";

/// One panel: what it shows, in which unit, of which lines.
struct Panel {
    title: &'static str,
    unit: &'static str,
    of: fn(&Row) -> Option<f64>,
    with_map: bool,
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "Request with one token, seen before",
        unit: "ns over bare axum",
        of: |row| Some(row.hot),
        with_map: false,
    },
    Panel {
        title: "Request with any token, each seen before",
        unit: "ns over bare axum",
        of: |row| row.random,
        with_map: true,
    },
    Panel { title: "Request with a token not seen before", unit: "µs", of: |row| Some(row.first), with_map: false },
    Panel { title: "Whole flow: send, verify, open a session", unit: "µs", of: |row| Some(row.flow), with_map: false },
];

/// Draws the table that is somewhere in the text at `from`, `BENCHMARKS.md` for one.
///
/// # Errors
/// When there is none, or the picture cannot be written.
pub fn from_table(from: &Path, to: &Path) -> Result<()> {
    let rows = Row::all_in(&std::fs::read_to_string(from)?)?;
    ensure!(!rows.is_empty(), "{} has no table of sizes", from.display());
    draw(&rows, to)
}

/// Draws these rows.
pub(super) fn draw(rows: &[Row], to: &Path) -> Result<()> {
    let mut text = String::new();
    picture(rows, &mut text).map_err(|error| anyhow!("the picture cannot be drawn: {error}"))?;
    Ok(std::fs::write(to, text)?)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn picture(rows: &[Row], text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (panels, legend) = root.split_vertically(2 * PANEL);
    for (area, panel) in panels.split_evenly((2, 2)).iter().zip(&PANELS) {
        draw_panel(area, panel, rows)?;
    }
    draw_legend(&legend)?;
    root.present()?;
    Ok(())
}

fn draw_panel(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel, rows: &[Row]) -> Drawn {
    let Panel { title, unit, of, with_map } = panel;
    let shown = rows.iter().flat_map(|row| [of(row), with_map.then_some(row.map)]).flatten();
    let (across, up) = (decades(rows.iter().map(|row| row.sessions)), decades(shown));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(28)
        .caption(title, (FONT, 17))
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(across.log_scale(), up.log_scale())?;
    let mesh = &mut chart.configure_mesh();
    mesh.x_desc("live sessions").y_desc(*unit).axis_desc_style((FONT, 14)).label_style((FONT, 13));
    mesh.x_label_formatter(&|n| short(*n))
        .y_label_formatter(&|n| short(*n))
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(222, 222, 222));
    mesh.draw()?;
    for (store, colour) in STORES.iter().zip(COLOURS) {
        let line: Vec<(f64, f64)> =
            rows.iter().filter(|row| row.store == *store).filter_map(|row| Some((row.sessions, of(row)?))).collect();
        chart.draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?;
        chart.draw_series(line.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?;
    }
    if *with_map {
        // Of the first store that has one: the map knows no store.
        let store = rows.first().map(|row| row.store.as_str());
        let line = rows.iter().filter(|row| Some(row.store.as_str()) == store).map(|row| (row.sessions, row.map));
        chart.draw_series(DashedLineSeries::new(line.collect::<Vec<_>>(), 6, 4, GREY.stroke_width(2)))?;
    }
    Ok(())
}

fn draw_legend(area: &DrawingArea<SVGBackend<'_>, Shift>) -> Drawn {
    const NAMES: [&str; 4] = ["memory", "SQLite", "PostgreSQL", "the map alone, without any check"];
    let mut at = 84;
    for (i, name) in NAMES.iter().enumerate() {
        let colour = COLOURS.get(i).copied().unwrap_or(GREY);
        if i < COLOURS.len() {
            area.draw(&PathElement::new([(at, 26), (at + 36, 26)], colour.stroke_width(2)))?;
            area.draw(&Circle::new((at + 18, 26), 4, colour.filled()))?;
        } else {
            for dash in [0, 13, 26] {
                area.draw(&PathElement::new([(at + dash, 26), (at + dash + 9, 26)], colour.stroke_width(2)))?;
            }
        }
        area.draw(&Text::new(*name, (at + 46, 19), (FONT, 15)))?;
        at += 46 + 10 * name.len() as i32 + 40;
    }
    Ok(())
}

/// The powers of ten around these values, a decade at least.
fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = (low.max(1e-3), high.max(1e-2));
    let (from, to) = (low.log10().floor(), high.log10().ceil());
    10_f64.powf(from)..10_f64.powf(to.max(from + 1.0))
}

/// 1000 as 1 k.
fn short(n: f64) -> String {
    if n >= 999_999.0 {
        format!("{} M", (n / 1e6).round())
    } else if n >= 999.0 {
        format!("{} k", (n / 1e3).round())
    } else {
        format!("{}", (n * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rows_give_the_same_picture() {
        let row = |store: &str, sessions: f64| Row {
            store: store.to_owned(),
            sessions,
            bare: 500.0,
            hot: 400.0,
            random: (sessions < 1e5).then_some(900.0),
            map: 450.0,
            first: 120.5,
            flow: 2_000.0,
        };
        let rows: Vec<Row> = STORES.iter().flat_map(|store| [1e3, 1e6].map(|n| row(store, n))).collect();
        let drawn = || {
            let mut text = String::new();
            picture(&rows, &mut text).unwrap();
            text
        };
        assert_eq!(drawn(), drawn());
        for label in ["live sessions", "PostgreSQL", "ns over bare axum", "1 M"] {
            assert!(drawn().contains(label), "{label}");
        }
    }
}
