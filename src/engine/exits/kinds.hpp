#pragma once

#include "engine/exit_rule.hpp"

namespace gyre {

// One a file in this folder; exits.cpp lists them.
ExitKind fixed_exit();
ExitKind acceleration_exit();
ExitKind step_exit();
ExitKind kl_exit();
ExitKind random_exit();
ExitKind gate_exit();
ExitKind gate_weighted_exit();
// The six criteria of Huginn's own program (arXiv 2502.05171), with its thresholds; kl above is the fourth.
ExitKind latent_diff_exit();
ExitKind cosine_exit();
ExitKind entropy_diff_exit();
ExitKind minp_kl_exit();
ExitKind argmax_stability_exit();
// Confidence in what is read out: CALM's (arXiv 2207.07061), and those that beat learned gates (arXiv 2607.20519).
ExitKind top_exit();
ExitKind margin_exit();
ExitKind entropy_exit();
ExitKind ratio_exit();
ExitKind two_sided_exit();
// Learned after the fact, by gyre train-exit.
ExitKind head_exit();
// Rules of rules.
ExitKind any_exit();
ExitKind all_exit();
ExitKind groups_exit();

}  // namespace gyre
