//! What was asked for and need not have evidence: named and counted in the first line of every report.

use super::outcome::{Against, Figure, Finding, Judged, Verdict};
use super::plan::Judge;
use crate::evidence::figures::DevicePeak;
use crate::store::record::Skipped;
use crate::text::format;

fn is_skipped(case: &Judged) -> bool {
    case.verdict == Verdict::Skipped && !case.is_gap
}

fn is_beyond_checkpoint(case: &Judged) -> bool {
    matches!(case.skipped, Some(Skipped::Layers { .. }))
}

impl Judge<'_> {
    /// What was asked for and is exempt: the cases counted, the lack of a baseline and relaxed rules told.
    pub(super) fn exemptions(&self, cases: &[Judged]) -> Vec<String> {
        let count = |is_meant: &dyn Fn(&Judged) -> bool| cases.iter().filter(|case| is_meant(case)).count();
        let counts = [
            (count(&|case| case.verdict == Verdict::LeftOut && !case.is_gap), "left out by hand"),
            (
                count(&|case| is_skipped(case) && !is_beyond_checkpoint(case)),
                "skipped for lack of memory, without a baseline",
            ),
            (
                count(&|case| is_skipped(case) && is_beyond_checkpoint(case)),
                "skipped, since the checkpoint lacks their layers",
            ),
            (count(&is_output_not_compared), "whose output was not compared"),
            (count(&is_without_reference), "whose speedup is not judged, since its reference was left out by hand"),
            (count(&is_without_peak), "whose worker reports no process peak"),
            (count(&is_without_device_peak), "whose framework peak on the GPU has none recorded to compare with"),
            (count(&|case| self.is_of_another_shape(case)), &self.other_shape()),
            (
                count(&|case| case.verdict == Verdict::Inconclusive && self.demands.allows_inconclusive),
                "inconclusive, allowed by --allow-inconclusive",
            ),
        ];
        let counts = counts.into_iter().filter(|(number, _)| *number > 0);
        let mut exemptions: Vec<String> =
            counts.map(|(number, words)| format!("{} {words}", format::count(number, "case"))).collect();
        exemptions.extend(self.not_asked().into_iter().chain(self.not_known()));
        let relaxed = self.record.base.as_ref().map_or(0, |base| base.loosened.len());
        if relaxed > 0 {
            exemptions.push(format!("this change relaxes {} that it is judged by", format::count(relaxed, "rule")));
        }
        if self.record.base.is_some() && !self.record.has_base_launches() {
            exemptions.push("nothing was measured of the base revision, which has none of these cases".to_owned());
        }
        let is_without_times = self.baselines.machine.is_none() && self.baseline_gap().is_none();
        if is_without_times && cases.iter().any(|case| case.now.is_some()) {
            let what_was_judged = match self.record.has_base_launches() {
                true => "they are compared with the base revision only",
                false => "only model bytes and outputs could be judged",
            };
            exemptions.push(format!("this machine has no baseline, so {what_was_judged}"));
        }
        exemptions
    }

    /// Whether the baseline has another case under its name.
    fn is_of_another_shape(&self, case: &Judged) -> bool {
        let has_name = self.baselines.machine.is_some_and(|baseline| baseline.cases.contains_key(&case.name));
        has_name && case.baseline.is_none() && case.now.is_some()
    }

    /// What the baseline has under the name of such a case: of an imported one only the model is known.
    fn other_shape(&self) -> String {
        match self.baselines.machine.and_then(|baseline| baseline.imported.as_ref()?.model.as_ref()) {
            Some(model) => format!("imported for another model ({model}), so without a baseline"),
            None => "recorded with another workload or reference, so without a baseline".to_owned(),
        }
    }

    /// The baseline's cases that other suites have, named: this run says nothing of them.
    fn not_asked(&self) -> Option<String> {
        let baseline = self.baselines.machine?;
        let is_meant = |name: &&String| {
            self.plan.known.contains(*name) && self.plan.case(name).is_none() && self.record.case(name).is_none()
        };
        let names: Vec<&str> = baseline.cases.keys().filter(is_meant).map(String::as_str).collect();
        let number = format::count(names.len(), "case");
        (!names.is_empty())
            .then(|| format!("{number} of the baseline in other suites, not measured ({})", format::some_names(&names)))
    }

    /// The cases of a stranger's record that the plan does not have, named: nothing that is committed vouches for them.
    fn not_known(&self) -> Option<String> {
        let names = self.record.cases.iter().map(|case| case.case.name.as_str());
        let names: Vec<&str> = names.filter(|name| self.plan.case(name).is_none()).collect();
        let number = format::count(names.len(), "case");
        (!names.is_empty() && !self.plan.trusts_record)
            .then(|| format!("{number} that the configuration does not have ({})", format::some_names(&names)))
    }
}

fn is_output_not_compared(case: &Judged) -> bool {
    let is_output = |finding: &Finding| finding.figure == Figure::Output && finding.verdict == Verdict::NotGated;
    case.findings.iter().any(is_output)
}

fn is_without_reference(case: &Judged) -> bool {
    let is_lost = |against| {
        let speedup = case.finding(Figure::Speedup, against);
        speedup.is_some_and(|finding| finding.verdict == Verdict::NotGated && finding.now.is_none())
    };
    [Against::Baseline, Against::Ceiling].into_iter().any(is_lost)
}

/// Whether its times were compared, and of what it holds in the GPU's own memory nothing was.
fn is_without_device_peak(case: &Judged) -> bool {
    let is_of_device = case.now.as_ref().is_some_and(|now| now.device_peak == DevicePeak::Framework);
    let mut peaks = case.findings.iter().filter(|finding| finding.figure == Figure::FrameworkPeak);
    is_of_device && case.verdict != Verdict::New && peaks.all(|finding| finding.verdict == Verdict::New)
}

fn is_without_peak(case: &Judged) -> bool {
    // Where the peak has a ceiling, the case is not judged, rather than exempt.
    let has_ceiling = case.finding(Figure::ProcessPeak, Against::Ceiling).is_some();
    let is_missing = |finding: &Finding| finding.figure == Figure::ProcessPeak && finding.now.is_none();
    let is_exempt = |finding: &Finding| is_missing(finding) && finding.verdict == Verdict::NotGated;
    !has_ceiling && case.findings.iter().any(is_exempt)
}
