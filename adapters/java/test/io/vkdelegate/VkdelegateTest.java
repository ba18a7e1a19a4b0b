package io.vkdelegate;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;
import static org.junit.Assume.assumeTrue;

import io.vkdelegate.Tensor.DType;
import io.vkdelegate.VkdException.Status;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.Test;

/** On the host's JVM. Property vkd.models: the folder of sample models. */
public class VkdelegateTest {
    private static final Path MODELS = Paths.get(System.getProperty("vkd.models"));
    private static final Path TINY = MODELS.resolve("tiny/conv3x3_s1p1_c3o5_13x17");

    private static Options options() {
        Options options = new Options();
        options.noCache = true;
        options.noSelfCheck = true;
        return options;
    }

    private static void deviceNeeded() {
        try {
            new Engine(options()).close();
        } catch (VkdException e) {
            assumeTrue("there is no Vulkan device", e.status() != Status.NO_DEVICE);
        }
    }

    private static float[] floats(Path path) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[bytes.remaining() / 4];
        bytes.asFloatBuffer().get(values);
        return values;
    }

    private static float[] floats(Tensor tensor) {
        float[] values = new float[tensor.floats().remaining()];
        tensor.floats().get(values);
        return values;
    }

    private static void assertFails(Status status, String text, Runnable call) {
        try {
            call.run();
        } catch (VkdException e) {
            assertEquals(e.getMessage(), status, e.status());
            assertTrue(e.getMessage(), e.getMessage().contains(text));
            return;
        }
        fail("expected " + status);
    }

    private static void assertClosed(Runnable call) {
        try {
            call.run();
        } catch (IllegalStateException e) {
            assertTrue(e.getMessage().contains("is closed"));
            return;
        }
        fail("expected an IllegalStateException");
    }

    private static void assertNear(float[] expected, float[] actual) {
        float most = 0;
        for (float value : expected) {
            most = Math.max(most, Math.abs(value));
        }
        assertArrayEquals(expected, actual, 0.02f * most);
    }

    @Test
    public void resnet50KnowsAnImage() throws IOException {
        deviceNeeded();
        Path folder = MODELS.resolve("resnet50-fashion");
        float[] expected = floats(folder.resolve("expected-delegate.f32"));
        try (Program program = Program.open(folder.resolve("model.pte").toString());
                Method method = program.load("forward", options(), null)) {
            Tensor image = method.newInput(0);
            image.floats().put(floats(folder.resolve("input0.f32")));
            float[] scores = floats(method.execute(image)[0]);
            assertEquals(best(expected), best(scores));
        }
    }

    private static int best(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            best = scores[i] > scores[best] ? i : best;
        }
        return best;
    }

    @Test
    public void keepsACacheOnlyWhereAllowed() throws IOException {
        deviceNeeded();
        for (boolean noCache : new boolean[] {true, false}) {
            Path folder = Files.createTempDirectory("vkdelegate-test");
            Options options = options();
            options.cacheDir = folder.toString();
            options.noCache = noCache;
            try (Program program = Program.open(TINY.resolve("model.pte").toString())) {
                program.load("forward", options, null).close();
            }
            assertEquals(noCache ? 0 : 1, Math.min(1, folder.toFile().list().length));
            for (java.io.File file : folder.toFile().listFiles()) {
                assertTrue(file.delete());
            }
            Files.delete(folder);
        }
    }

    @Test
    public void runsFromBytesIntoTheCallersBuffers() throws IOException {
        deviceNeeded();
        byte[] file = Files.readAllBytes(TINY.resolve("model.pte"));
        ByteBuffer bytes = ByteBuffer.allocateDirect(file.length);
        bytes.put(file);
        try (Engine engine = new Engine(options());
                Program program = Program.open(bytes)) {
            assertArrayEquals(new String[] {"forward"}, program.methods());
            assertTrue(engine.device().length() > 0);
            Method method = program.load("forward", options(), engine);
            assertEquals(1, method.inputCount());
            Tensor in = Tensor.of(floats(TINY.resolve("input0.f32")), 1, 3, 13, 17);
            Tensor out = method.newOutput(0);
            assertArrayEquals(new long[] {1, 5, 13, 17}, out.shape());
            method.execute(new Tensor[] {in}, new Tensor[] {out});
            assertArrayEquals(new long[] {1, 5, 13, 17}, out.shape()); // as the library says
            assertNear(floats(TINY.resolve("expected-delegate.f32")), floats(out));
            program.close();
            assertClosed(() -> method.execute(in));
            assertClosed(program::methods);
            program.close();
            method.close();
        }
    }

    @Test
    public void anEngineClosesWhatWorksOnIt() {
        deviceNeeded();
        Program program = Program.open(TINY.resolve("model.pte").toString());
        Engine engine = new Engine(options());
        Method method = program.load("forward", options(), engine);
        engine.close();
        engine.close();
        assertClosed(method::inputCount);
        assertClosed(engine::device);
        assertClosed(() -> program.load("forward", options(), engine));
        program.close();
    }

    @Test
    public void filesThatAreNone() throws IOException {
        assertFails(Status.IO_ERROR, "none.pte", () -> Program.open("none.pte"));
        ByteBuffer nonsense = ByteBuffer.allocateDirect(99);
        nonsense.put("no program".getBytes(StandardCharsets.US_ASCII));
        assertFails(Status.INVALID_MODEL, "", () -> Program.open(nonsense));
        assertFails(Status.INVALID_ARGUMENT, "direct", () -> Program.open(ByteBuffer.allocate(99)));
        try (Program program = Program.open(TINY.resolve("model.pte").toString())) {
            assertFails(Status.IO_ERROR, "none.ptd", () -> program.addData("none.ptd"));
            assertFails(
                    Status.INVALID_MODEL, "", () -> program.addData(TINY.resolve("input0.f32").toString()));
            assertFails(Status.NOT_FOUND, "backward", () -> program.load("backward", options(), null));
        }
    }

    @Test
    public void operatorsThatAreNone() throws IOException {
        String text = new String(Files.readAllBytes(TINY.resolve("model.pte")), StandardCharsets.ISO_8859_1);
        byte[] odd = text.replace("et_vk.", "none__").getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer bytes = ByteBuffer.allocateDirect(odd.length);
        bytes.put(odd);
        try (Program program = Program.open(bytes)) {
            assertFails(Status.UNSUPPORTED, "none__", () -> program.load("forward", options(), null));
        }
    }

    @Test
    public void wrongOptions() {
        deviceNeeded();
        Options options = options();
        options.device = "no such device";
        assertFails(Status.NO_DEVICE, "no such device", () -> new Engine(options));
        options.device = null;
        options.timeoutMs = -1;
        assertFails(Status.INVALID_ARGUMENT, "timeoutMs", () -> new Engine(options));
        options.timeoutMs = 0;
        options.maxSubmitMs = -1;
        assertFails(Status.INVALID_ARGUMENT, "maxSubmitMs", () -> new Engine(options));
        options.maxSubmitMs = 0;
        options.priority = null;
        assertFails(Status.INVALID_ARGUMENT, "priority", () -> new Engine(options));
        options.priority = Options.Priority.DEFAULT;
        options.selfCheck = null;
        assertFails(Status.INVALID_ARGUMENT, "selfCheck", () -> new Engine(options));
        options.selfCheck = Options.SelfCheck.AUTO;
        options.priority = Options.Priority.LOW; /* a wish */
        new Engine(options).close();
        options.variant = "no such variant";
        try (Program program = Program.open(TINY.resolve("model.pte").toString())) {
            assertFails(
                    Status.INVALID_ARGUMENT, "no such variant", () -> program.load("forward", options, null));
        }
    }

    @Test
    public void wrongTensors() {
        deviceNeeded();
        assertFails(
                Status.INVALID_ARGUMENT, "direct", () -> new Tensor(DType.INT8, ByteBuffer.allocate(4), 4));
        assertFails(
                Status.INVALID_ARGUMENT,
                "dims",
                () -> Tensor.zeros(DType.INT8, 1, 1, 1, 1, 1, 1, 1, 1, 1));
        try (Program program = Program.open(TINY.resolve("model.pte").toString());
                Method method = program.load("forward", options(), null)) {
            assertFails(Status.INVALID_ARGUMENT, "inputs", () -> method.execute());
            Tensor[] wrong = {
                Tensor.zeros(DType.INT32, 1, 3, 13, 17),
                Tensor.zeros(DType.FLOAT32, 1, 3, 13, 16),
                Tensor.zeros(DType.FLOAT32, 3, 13, 17),
                new Tensor(DType.FLOAT32, ByteBuffer.allocateDirect(4), 1, 3, 13, 17), // too short
            };
            for (Tensor tensor : wrong) {
                assertFails(Status.INVALID_ARGUMENT, "input 0", () -> method.execute(tensor));
            }
            Tensor small = Tensor.zeros(DType.FLOAT32, 1);
            assertFails(
                    Status.INVALID_ARGUMENT,
                    "output 0",
                    () -> method.execute(new Tensor[] {method.newInput(0)}, new Tensor[] {small}));
            method.execute(method.newInput(0));
        }
    }

    @Test
    public void threadsAndManyCallsWithoutGrowth() throws Exception {
        deviceNeeded();
        Path folder = MODELS.resolve("tiny/linear_1x20o7");
        try (Program program = Program.open(folder.resolve("model.pte").toString());
                Method method = program.load("forward", options(), null)) {
            Tensor in = method.newInput(0);
            in.floats().put(floats(folder.resolve("input0.f32")));
            float[] expected = floats(method.execute(in)[0]);
            AtomicInteger wrong = new AtomicInteger();
            Thread[] threads = new Thread[4];
            for (int t = 0; t < threads.length; t++) {
                threads[t] =
                        new Thread(
                                () -> {
                                    Tensor[] mine = {method.newOutput(0)};
                                    for (int i = 0; i < 500; i++) {
                                        method.execute(new Tensor[] {in}, mine);
                                        if (!java.util.Arrays.equals(expected, floats(mine[0]))) {
                                            wrong.incrementAndGet();
                                        }
                                    }
                                });
                threads[t].start();
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertEquals(0, wrong.get());
            Tensor[] out = {method.newOutput(0)};
            for (int i = 0; i < 10000; i++) { // the JVM compiles, and takes its heap
                method.execute(new Tensor[] {in}, out);
            }
            System.gc();
            long before = residentKilobytes();
            for (int i = 0; i < 30000; i++) {
                method.execute(new Tensor[] {in}, out);
            }
            System.gc();
            long grown = residentKilobytes() - before;
            assertTrue(grown + " KiB", grown < 8192);
        }
    }

    /** Whether the cache folder holds verdicts about kernels behind a load. */
    private static boolean leavesVerdicts(Options.SelfCheck selfCheck) throws IOException {
        Path folder = Files.createTempDirectory("vkd-self-check");
        Options options = new Options();
        options.cacheDir = folder.toString();
        options.selfCheck = selfCheck;
        try (Program program = Program.open(TINY.resolve("model.pte").toString())) {
            program.load("forward", options, null).close();
        }
        boolean found = false;
        for (File file : folder.toFile().listFiles()) {
            String text = new String(Files.readAllBytes(file.toPath()), StandardCharsets.ISO_8859_1);
            found |= text.contains("kernel ");
            Files.delete(file.toPath());
        }
        Files.delete(folder);
        return found;
    }

    @Test
    public void selfCheckIsTheLibrarys() throws IOException {
        deviceNeeded();
        assertTrue(leavesVerdicts(Options.SelfCheck.ALL));
        assertFalse(leavesVerdicts(Options.SelfCheck.NONE));
    }

    private static long residentKilobytes() throws IOException {
        for (String line : Files.readAllLines(Paths.get("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IOException("no VmRSS");
    }

    @Test
    public void everyStatusOfTheHeaderIsAnException() throws IOException {
        byte[] header = Files.readAllBytes(MODELS.resolve("../include/vkdelegate.h"));
        String text = new String(header, StandardCharsets.UTF_8);
        text = text.substring(text.indexOf("typedef enum vkd_status"), text.indexOf("} vkd_status;"));
        Matcher names = Pattern.compile("\\bVKD_([A-Z_]+)( = 0)?,").matcher(text);
        int count = 0;
        for (; names.find(); count++) {
            VkdException thrown = new VkdException(count, "a text".getBytes(StandardCharsets.UTF_8));
            assertEquals(names.group(1), thrown.status().name());
            assertEquals("a text", thrown.getMessage());
        }
        assertEquals(Status.values().length, count);
    }
}
