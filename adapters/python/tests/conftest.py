"""Tests that were skipped are no tests that passed: under ctest they have an exit code of their own."""

import os


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    code = os.environ.get("VKD_SKIP_CODE")
    if code and exitstatus == 0 and reporter.stats.get("skipped"):
        session.exitstatus = int(code)
