//! Text measured in the columns of a terminal: a wide character takes two, a combining one none.

use console::{measure_text_width, truncate_str};

/// Stands for what was cut off.
const ELLIPSIS: &str = "…";

/// The columns that `text` takes.
pub fn width(text: &str) -> usize {
    measure_text_width(text)
}

/// `text` in at most `columns` columns, with an ellipsis for what was cut off.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let kept = truncate_str(text, columns.saturating_sub(width(ELLIPSIS)), "");
    format!("{}{ELLIPSIS}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_column_not_at_the_character() {
        assert_eq!(fit("step 3/20", 9), "step 3/20");
        assert_eq!(fit("step 3/20", 8), "step 3/…");
        assert_eq!(fit("step 3/20", 6), "step…", "no blank before the ellipsis");
        assert_eq!(fit("視頻模型", 8), "視頻模型");
        assert_eq!(fit("視頻模型", 7), "視頻模…");
        assert_eq!(fit("視頻模型", 6), "視頻…", "half a character does not fit");
    }
}
