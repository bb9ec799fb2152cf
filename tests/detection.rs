//! The rules of other tools that benches/detection judges beside wanbench's: each on both sides of a boundary that is
//! published or worked out by hand.

#[path = "../benches/detection/rules/mod.rs"]
mod rules;
#[path = "../benches/detection/simulation/mod.rs"]
#[allow(dead_code, reason = "the bench simulates, this test reads what came of it")]
mod simulation;

use std::path::Path;

use rules::{Job, RIVALS, RUN_RULES, mann_whitney};
use simulation::Simulated;

/// The launches of one arm in one job.
type Launches = Vec<Vec<f64>>;

/// Whether the rule of this name flags a job, given the earlier ones, oldest first.
fn flags(name: &str, base: &Launches, head: &Launches, history: &[Launches]) -> bool {
    let rule = RIVALS.iter().find(|rule| rule.name == name).unwrap();
    let base: Vec<&[f64]> = base.iter().map(Vec::as_slice).collect();
    let head: Vec<&[f64]> = head.iter().map(Vec::as_slice).collect();
    let history: Vec<Vec<&[f64]>> = history.iter().map(|job| job.iter().map(Vec::as_slice).collect()).collect();
    let history: Vec<&[&[f64]]> = history.iter().map(Vec::as_slice).collect();
    (rule.flags_slower)(&Job { base: &base, head: &head, history: &history })
}

/// Which cases of a run the rule of this name flags; of each the base and the head.
fn flags_of_run(name: &str, cases: &[[Launches; 2]]) -> Vec<bool> {
    let rule = RUN_RULES.iter().find(|rule| rule.name == name).unwrap();
    let slices = cases.iter().map(|arms| arms.each_ref().map(|arm| arm.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let slices: Vec<[Vec<&[f64]>; 2]> = slices.collect();
    let jobs: Vec<Job> = slices.iter().map(|[base, head]| Job { base, head, history: &[] }).collect();
    (rule.flags_slower)(&jobs)
}

/// A job of one launch.
fn launch(steps: &[f64]) -> Launches {
    vec![steps.to_vec()]
}

/// Jobs of one step each.
fn jobs(means: &[f64]) -> Vec<Launches> {
    means.iter().map(|mean| launch(&[*mean])).collect()
}

/// Asserts that the rule is silent about the first head and flags the second.
#[track_caller]
fn assert_between(name: &str, base: &Launches, heads: [&Launches; 2], history: &[Launches]) {
    assert!(!flags(name, base, heads[0], history), "{name} flags {:?}", heads[0]);
    assert!(flags(name, base, heads[1], history), "{name} is silent about {:?}", heads[1]);
}

#[test]
fn github_action_benchmark_alerts_above_a_ratio_of_means() {
    // Mean 2: the limit is 2.2.
    let base = vec![vec![1.0, 2.0], vec![3.0, 2.0]];
    assert_between("github-action-benchmark, 110%", &base, [&launch(&[2.19]), &launch(&[2.21])], &[]);
}

#[test]
fn bencher_alerts_above_a_t_quantile() {
    // Means 1 to 5: mean 3, deviation with n √2; t(0.99, 4) = 3.747 in every table: 3 + 1.41421 · 3.747 = 8.299.
    let history = jobs(&[1.0, 2.0, 3.0, 4.0]);
    assert_between("Bencher, t-test", &launch(&[4.5, 5.5]), [&launch(&[8.29]), &launch(&[8.31])], &history);
}

#[test]
fn bencher_takes_the_last_64_jobs() {
    // Of 1 and 2 in turn, 32 each: mean 1.5, deviation 0.5, t(0.99, 63) = 2.387: 2.694. The 100 before them is
    // forgotten.
    let means: Vec<f64> = std::iter::once(100.0).chain((0..63).map(|job| f64::from(1 + job % 2))).collect();
    assert_between("Bencher, t-test", &launch(&[2.0]), [&launch(&[2.69]), &launch(&[2.70])], &jobs(&means));
}

#[test]
fn rustc_perf_takes_a_fixed_share_where_history_is_short() {
    // The least steps count, 0.2% apart.
    let base = vec![vec![3.0, 1.0], vec![2.0]];
    for name in ["rustc-perf", "rustc-perf, any history"] {
        assert_between(name, &base, [&launch(&[1.0019, 9.0]), &launch(&[1.0021, 9.0])], &jobs(&[1.0, 1.0, 1.0]));
    }
}

#[test]
fn rustc_perf_fences_off_the_changes_of_thirty_jobs() {
    // Newest first, 15 jobs of 1 and then 0.98 and 1 in turn. The 29 changes are 14 of 0, 8 of 0.02 and 7 of 0.02 /
    // 0.98: Q1 = 0, Q3 = (0.02 + 0.020408) / 2 = 0.020204, so the fence is 4 · 0.020204 = 0.080816.
    let newest_first: Vec<f64> = (0..30).map(|job| if job > 14 && job % 2 == 1 { 0.98 } else { 1.0 }).collect();
    let oldest_first: Vec<f64> = newest_first.into_iter().rev().collect();
    let base = launch(&[1.0]);
    for name in ["rustc-perf", "rustc-perf, any history"] {
        assert_between(name, &base, [&launch(&[1.0805]), &launch(&[1.0811])], &jobs(&oldest_first));
    }
    // With one job less it is back at 0.2%.
    assert!(flags("rustc-perf", &base, &launch(&[1.0021]), &jobs(&oldest_first[1..])));
    assert!(!flags("rustc-perf, any history", &base, &launch(&[1.0021]), &jobs(&oldest_first[1..])));
}

#[test]
fn rustc_perf_by_any_history_begins_at_four_jobs() {
    // Changes 0, 0.1 and 0: Q1 = 0, Q3 = 0.1, fence 0.4.
    let history = jobs(&[0.9, 0.9, 1.0, 1.0]);
    assert_between("rustc-perf, any history", &launch(&[1.0]), [&launch(&[1.39]), &launch(&[1.41])], &history);
}

#[test]
fn the_u_test_gives_published_and_counted_p_values() {
    let separate =
        |n: usize| -> [Vec<f64>; 2] { [0, n].map(|from| (from..from + n).map(|value| value as f64).collect()) };
    // The least p of samples of one size, as golang/perf tabulates it: 2 / C(2n, n).
    for (n, published) in
        [(1, 1.0), (2, 1.0 / 3.0), (3, 0.1), (5, 0.007_936_507_936_507_936), (9, 4.113_533_525_298_231e-5)]
    {
        let [low, high] = separate(n);
        assert!((mann_whitney::p_value(&low, &high) - published).abs() < 1e-12, "{n}");
    }
    // Ranks 1 and 2.5 of 1, 2.5, 2.5, 4: two of the six pairs sum to 3.5, none to less.
    assert!((mann_whitney::p_value(&[1.0, 2.0], &[2.0, 3.0]) - 2.0 / 3.0).abs() < 1e-12);
    // 15 and 10 zeros among 30 each: ranks 13 and 43, sum 840 of 915 expected; ties 25³ − 25 + 35³ − 35 = 58440;
    // variance 75 · (61 − 58440 / 3540) = 3336.86; z = (75 − 0.5) / 57.766 = 1.2897; 2 · Φ(−1.2897) = 0.1972.
    let zeros_and_ones = |zeros: usize| (0..30).map(|index| f64::from(index >= zeros)).collect::<Vec<f64>>();
    assert!((mann_whitney::p_value(&zeros_and_ones(15), &zeros_and_ones(10)) - 0.1972).abs() < 5e-5);
}

#[test]
fn benchstat_tests_at_five_percent() {
    // The critical U of five and five is 2 (p = 0.0317); 3 is not significant (p = 0.0556).
    let (u3, u2) = (
        [[1.0, 2.0, 3.0, 4.0, 8.0], [5.0, 6.0, 7.0, 9.0, 10.0]],
        [[1.0, 2.0, 3.0, 4.0, 7.0], [5.0, 6.0, 8.0, 9.0, 10.0]],
    );
    let each_a_launch = |steps: [f64; 5]| steps.map(|step| vec![step]).to_vec();
    for name in ["benchstat, pooled steps", "benchstat, pooled steps, >1%", "benchstat, launch medians"] {
        assert!(!flags(name, &each_a_launch(u3[0]), &each_a_launch(u3[1]), &[]), "{name}");
        assert!(flags(name, &each_a_launch(u2[0]), &each_a_launch(u2[1]), &[]), "{name}");
        assert!(!flags(name, &each_a_launch(u2[1]), &each_a_launch(u2[0]), &[]), "{name}");
    }
}

#[test]
fn benchstat_counts_what_it_is_given() {
    // Three launches each can at best give p = 0.1, their nine steps 0.00004.
    let launches =
        |from: f64| (0..3).map(|launch| (0..3).map(|step| from + f64::from(3 * launch + step)).collect()).collect();
    let (base, head): (Launches, Launches) = (launches(0.0), launches(9.0));
    assert!(flags("benchstat, pooled steps", &base, &head, &[]));
    assert!(!flags("benchstat, launch medians", &base, &head, &[]));
}

#[test]
fn benchstat_may_be_asked_for_one_percent() {
    // Five and five that are all apart are significant. The base's median is 1.0002, the limit 1.010202.
    let around = |middle: f64| launch(&[-2.0, -1.0, 0.0, 1.0, 2.0].map(|offset| middle + 1e-4 * offset));
    assert_between("benchstat, pooled steps, >1%", &around(1.0002), [&around(1.0101), &around(1.0103)], &[]);
    assert!(flags("benchstat, pooled steps", &around(1.0002), &around(1.0101), &[]));
}

#[test]
fn asv_wants_a_factor() {
    let around = |middle: f64| launch(&[-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0].map(|offset| middle + 1e-3 * offset));
    assert_between("asv", &around(1.0), [&around(1.099), &around(1.101)], &[]);
    // A single step is not tested, in either arm.
    assert_between("asv", &launch(&[1.0]), [&launch(&[1.09]), &launch(&[1.11])], &[]);
}

#[test]
fn asv_wants_significance() {
    // All apart: 2 / C(12, 6) = 0.0022 is not below 0.002, 2 / C(14, 7) = 0.0006 is.
    let values = |range: std::ops::Range<u8>| launch(&range.map(f64::from).collect::<Vec<_>>());
    assert!(!flags("asv", &values(1..7), &values(7..13), &[]));
    assert!(flags("asv", &values(1..8), &values(8..15), &[]));
    // Ties count as U in full: of the 3432 arrangements 2 have U ≤ 1 (p = 0.0012), and 4 have U ≤ 2 (p = 0.0023).
    let tied = |heads: [f64; 2]| launch(&[heads[0], heads[1], 9.0, 10.0, 11.0, 12.0, 13.0]);
    assert_between("asv", &values(1..8), [&tied([7.0, 7.0]), &tied([7.0, 8.0])], &[]);
}

#[test]
fn asv_takes_the_normal_distribution_above_twenty() {
    // Of 25 and 25, σ² = 625 · 51 / 12 and p = 0.002 at z = −3.0902: U = 312.5 − 3.0902 · 51.539 = 153.2. Six heads
    // below all 25 bases make U = 150, one below the last three or four makes the rest, and 18 lie above all.
    let base: Vec<f64> = (1..=25).map(|step| f64::from(2 * step)).collect();
    let head = |one: f64| launch(&[vec![1.0; 6], vec![one], vec![60.0; 18]].concat());
    assert_between("asv", &launch(&base), [&head(43.0), &head(45.0)], &[]);
}

#[test]
fn criterion_wants_more_than_noise() {
    // A hundred steps 0.01% around their mean: the interval is narrower than 0.01%.
    let around = |mean: f64| vec![[mean * 0.9999, mean * 1.0001].repeat(5); 10];
    assert_between("criterion", &around(1.0), [&around(1.009), &around(1.011)], &[]);
}

#[test]
fn criterion_wants_significance() {
    // Means of a hundred steps that are 0.5 around them have a standard error of 0.05, their difference one of 0.071:
    // 5% are less than one, 50% more than seven.
    let around = |mean: f64| vec![[mean - 0.5, mean + 0.5].repeat(5); 10];
    assert_between("criterion", &around(1.0), [&around(1.05), &around(1.5)], &[]);
}

/// Steps of 1 s and those that take longer by as much.
fn paired(differences: &[f64]) -> [Launches; 2] {
    [vec![1.0; differences.len()], differences.iter().map(|difference| 1.0 + difference).collect()]
        .map(|steps| launch(&steps))
}

#[test]
fn tango_wants_a_z_score() {
    // Differences m ± 0.01 of four pairs: deviation 0.011547, standard error 0.0057735; 2.6 of them are 0.015011.
    let around = |mean: f64| paired(&[mean - 0.01, mean + 0.01, mean - 0.01, mean + 0.01]);
    let ([base, below], [_, above]) = (around(0.0149), around(0.0151));
    assert_between("Tango", &base, [&below, &above], &[]);
}

#[test]
fn tango_wants_half_a_percent() {
    let around = |mean: f64| paired(&[mean - 1e-5, mean + 1e-5, mean - 1e-5, mean + 1e-5]);
    let ([base, below], [_, above]) = (around(0.0049), around(0.0051));
    assert_between("Tango", &base, [&below, &above], &[]);
}

#[test]
fn tango_removes_outliers_where_there_are_low_ones() {
    // Twelve sorted differences: quartiles are the fourth and the ninth, 9 and 11 ms, so the lower fence is at 6 ms.
    // One lies below it, so that and the largest go; their mean of 10 ms with a deviation near 1 ms is left. Without
    // the low one nothing goes, and 0.9 s among eleven of 10 ms is 1.1 standard errors.
    let middle = [0.009, 0.009, 0.009, 0.009, 0.010, 0.010, 0.011, 0.011, 0.011, 0.011];
    let with = |ends: [f64; 2]| paired(&[&ends[..], &middle].concat());
    let ([base, high_only], [_, both]) = (with([0.010, 0.9]), with([-0.9, 0.9]));
    assert_between("Tango", &base, [&high_only, &both], &[]);
}

#[test]
fn conbench_takes_five_deviations_of_residuals() {
    // Means 10, 12, 11 of the jobs, residuals 0, 2, 0: deviation 2 / √3 = 1.1547; 11 + 5 · 1.1547 = 16.774.
    assert_between("conbench", &launch(&[11.0]), [&launch(&[16.77]), &launch(&[16.78])], &jobs(&[10.0, 12.0]));
}

#[test]
fn sglang_expects_a_mean_and_a_median() {
    let (base, history) = (launch(&[9.0]), jobs(&[1.0, 1.0, 1.0, 1.0, 2.0]));
    // Mean 1.2 and median 1 are expected: the limits are 1.44 and 1.2.
    assert_between("SGLang", &base, [&launch(&[1.19; 3]), &launch(&[1.21; 3])], &history);
    assert_between("SGLang", &base, [&launch(&[1.0, 1.0, 2.31]), &launch(&[1.0, 1.0, 2.33])], &history);
}

#[test]
fn fastvideo_takes_the_median_of_five_runs() {
    // The last five are 1.00, 1.06, 1.02, 1.08 and 1.04, in the middle 1.04: the limit is 1.092.
    let history = jobs(&[5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.06, 1.02, 1.08]);
    assert_between("FastVideo", &launch(&[1.04]), [&launch(&[1.091]), &launch(&[1.093])], &history);
}

#[test]
fn perfgate_fails_above_a_fifth() {
    // Launches with means of 1, 2 and 9 seconds: the limit is 1.2 times 2.
    let base = vec![vec![0.5, 1.5], vec![2.0, 2.0], vec![1.0, 17.0]];
    assert_between("perfgate", &base, [&launch(&[1.0, 3.79]), &launch(&[1.0, 3.81])], &[]);
}

/// Ten launches of each arm whose log-ratios are as far above `mean` as below it.
fn log_ratios(mean: f64, distance: f64) -> [Launches; 2] {
    let head = |block: usize| mean + if block.is_multiple_of(2) { distance } else { -distance };
    [vec![vec![1.0]; 10], (0..10_usize).map(|block| vec![head(block).exp()]).collect()]
}

#[test]
fn the_paired_t_test_has_one_percent_for_all_cases() {
    // Ten values s from their mean have a standard error of s / 3. A mean of 3% is t(0.99, 9) = 2.821 of them at
    // s = 3.190%, and t(0.995, 9) = 3.250 at s = 2.769%.
    let flags = |cases: &[[Launches; 2]]| flags_of_run("paired t, Holm", cases);
    assert_eq!(flags(&[log_ratios(0.03, 0.0320)]), [false]);
    assert_eq!(flags(&[log_ratios(0.03, 0.0318)]), [true]);
    let unchanged = || log_ratios(0.0, 0.01);
    assert_eq!(flags(&[log_ratios(0.03, 0.0278), unchanged()]), [false, false]);
    assert_eq!(flags(&[log_ratios(0.03, 0.0276), unchanged()]), [true, false]);
    // The half that a clear case does not need goes to the other.
    assert_eq!(flags(&[log_ratios(0.03, 0.0318), log_ratios(0.1, 0.01)]), [true, true]);
}

#[test]
fn the_paired_t_test_wants_more_than_the_tolerance() {
    let flags = |ratio: f64| flags_of_run("paired t, Holm", &[log_ratios(ratio.ln(), 1e-5)]);
    assert_eq!([flags(1.0199), flags(1.0201)], [[false], [true]]);
}

#[test]
fn ranked_medians_have_one_percent_for_all_cases() {
    // The one-sided critical U of ten and ten is 19 at 1%, and 16 at 0.5%, in every table. The two least heads are so
    // many times below a base of 1 to 10, the others above them all.
    let each_a_launch = |steps: Vec<f64>| steps.into_iter().map(|step| vec![step]).collect::<Launches>();
    let above = || (11..19).map(f64::from);
    let case = |least: [f64; 2]| {
        [(1..=10).map(f64::from).collect(), least.into_iter().chain(above()).collect()].map(each_a_launch)
    };
    let flags = |cases: &[[Launches; 2]]| flags_of_run("Mann-Whitney, medians", cases);
    let unchanged = || log_ratios(0.0, 0.01);
    assert_eq!(flags(&[case([0.0, 0.5])]), [false]);
    assert_eq!(flags(&[case([0.0, 1.5])]), [true]);
    assert_eq!(flags(&[case([0.0, 3.5]), unchanged()]), [false, false]);
    assert_eq!(flags(&[case([0.0, 4.5]), unchanged()]), [true, false]);
    // The heads that are all apart: medians of 1.00055 and the limit 1.020561.
    let from = |least: f64| each_a_launch((1..=10).map(|number| least + 1e-4 * f64::from(number)).collect());
    assert_eq!([1.0199, 1.0201].map(|least| flags(&[[from(1.0), from(least)]])), [[false], [true]]);
}

#[test]
fn the_document_shows_the_committed_simulation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let simulated = Simulated::open(&root.join("benches/detection/simulation/simulated.json")).unwrap();
    let document = std::fs::read_to_string(root.join("docs/detection.md")).unwrap();
    assert!(document.contains(&simulated.table()), "`make bench-detection ARGS=judge` writes it anew");
}

#[test]
fn no_rule_flags_what_does_not_change_or_is_not_there() {
    let constant = vec![vec![1.0; 10]; 10];
    let degenerate: [Launches; 4] = [constant.clone(), launch(&[1.0]), launch(&[]), vec![]];
    for rule in RIVALS {
        for history in [vec![], vec![constant.clone(); 14], vec![constant.clone(); 40], vec![vec![]; 3]] {
            for base in &degenerate {
                for head in &degenerate {
                    assert!(!flags(rule.name, base, head, &history), "{}: {base:?} {head:?}", rule.name);
                }
            }
        }
    }
    for rule in RUN_RULES {
        for base in &degenerate {
            let cases: Vec<[Launches; 2]> = degenerate.iter().map(|head| [base.clone(), head.clone()]).collect();
            assert_eq!(flags_of_run(rule.name, &cases), [false; 4], "{}: {base:?}", rule.name);
        }
    }
}

#[test]
fn no_rule_flags_what_becomes_faster() {
    let job = |mean: f64, shift: usize| -> Launches {
        let step = |launch: usize, step: usize| mean * (1.0 + 0.01 * ((7 * launch + 3 * step + shift) % 10) as f64);
        (0..10).map(|launch| (0..10).map(|number| step(launch, number)).collect()).collect()
    };
    let history: Vec<Launches> = (0..14).map(|shift| job(1.0, shift)).collect();
    for rule in RIVALS {
        assert!(!flags(rule.name, &job(1.0, 0), &job(0.5, 5), &history), "{}", rule.name);
        assert!(rule.name == "Tango" || flags(rule.name, &job(1.0, 0), &job(2.0, 5), &history), "{}", rule.name);
    }
}
