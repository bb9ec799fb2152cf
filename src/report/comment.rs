//! Stub until helper a's work is merged.
use super::Report;
/// x
pub struct Origin {
    /** x */
    pub run_url: Option<String>,
    /** x */
    pub download: Option<String>,
}
/// x
pub fn render(_r: &[Report], _o: &Origin, _l: usize) -> String {
    String::new()
}
/// x
pub fn title(_r: &[Report]) -> String {
    String::new()
}
