package io.vkdelegate;

import org.junit.internal.TextListener;
import org.junit.runner.JUnitCore;
import org.junit.runner.Result;

/** Runs the tests. The exit code is 1 where one failed, 77 where one could not run. */
public final class RunTests {
    private RunTests() {}

    public static void main(String[] arguments) {
        JUnitCore junit = new JUnitCore();
        junit.addListener(new TextListener(System.out));
        Result result = junit.run(VkdelegateTest.class);
        System.out.println(result.getAssumptionFailureCount() + " could not run");
        System.exit(!result.wasSuccessful() ? 1 : result.getAssumptionFailureCount() > 0 ? 77 : 0);
    }
}
