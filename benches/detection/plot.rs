//! The power curves as a picture, legible on a light and on a dark page: transparent, in colours between the two.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::jobs::Flagged;

/// The axes and their words.
const GREY: RGBColor = RGBColor(128, 128, 128);
/// Wanbench's own curve, drawn thicker.
const OWN: RGBColor = RGBColor(220, 60, 60);
/// The others', told apart by the order of their names at the end of the lines as well.
const OTHERS: [RGBColor; 14] = [
    RGBColor(60, 130, 220),
    RGBColor(60, 160, 90),
    RGBColor(200, 130, 30),
    RGBColor(150, 100, 210),
    RGBColor(30, 160, 170),
    RGBColor(150, 130, 110),
    RGBColor(210, 90, 160),
    RGBColor(130, 150, 30),
    RGBColor(90, 110, 160),
    RGBColor(180, 100, 80),
    RGBColor(110, 150, 130),
    RGBColor(160, 120, 160),
    RGBColor(90, 170, 210),
    RGBColor(170, 130, 70),
];

/// Draws each rule's share of flagged jobs over the extra work, both in percent; the first is our own.
pub fn draw(path: &Path, extra_percent: &[f64], rules: &[Flagged]) -> Result<()> {
    let mut svg = String::new();
    drawing(&mut svg, extra_percent, rules).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    Ok(wanbench::files::save::atomically(path, |out| out.write_all(svg.as_bytes()))?)
}

fn drawing(svg: &mut String, extra_percent: &[f64], rules: &[Flagged]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (900, 520)).into_drawing_area();
    let words = |size: i32, color: RGBColor| ("sans-serif", size).into_font().color(&color);
    let most = extra_percent.iter().copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_right(220)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(0.0..most, 0.0..100.0)?;
    chart
        .configure_mesh()
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.35))
        .light_line_style(TRANSPARENT)
        .label_style(words(14, GREY))
        .axis_desc_style(words(15, GREY))
        .x_desc("extra work in every step, percent")
        .y_desc("jobs flagged as slower, percent")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let mut ends = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let (color, width) = if index == 0 { (OWN, 4) } else { (OTHERS[(index - 1) % OTHERS.len()], 2) };
        let points: Vec<(f64, f64)> = extra_percent
            .iter()
            .zip(&rule.counts)
            .map(|(x, (flagged, of))| (*x, 100.0 * *flagged as f64 / *of as f64))
            .collect();
        chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, width as i32, color.filled())))?;
        let flagged: usize = rule.counts.iter().map(|(flagged, _)| flagged).sum();
        ends.push((chart.backend_coord(points.last().ok_or("no points")?), flagged, rule.name.as_str(), color));
    }
    // Names at the lines' ends, pushed apart where lines end at the same height, in the order of what the rules flag.
    ends.sort_by_key(|((_, y), flagged, ..)| (*y, std::cmp::Reverse(*flagged)));
    let mut free = 0;
    for ((x, y), _, name, color) in ends {
        let y = y.max(free);
        free = y + 17;
        area.draw(&Text::new(name, (x + 10, y - 8), words(14, color)))?;
    }
    area.present()?;
    Ok(())
}
