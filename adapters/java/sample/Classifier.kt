package io.vkdelegate.sample

import android.content.Context
import io.vkdelegate.Engine
import io.vkdelegate.Method
import io.vkdelegate.Options
import io.vkdelegate.Program
import java.nio.channels.FileChannel

/** Runs model.pte of the app's assets. Make it, and call it, on a background thread. */
class Classifier(context: Context) : AutoCloseable {
    private val options = Options().apply { cacheDir = context.cacheDir.path }
    private val engine = Engine(options)
    private val program = context.assets.openFd("model.pte").use { file ->
        file.createInputStream().channel.use {
            Program.open(it.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength))
        }
    }
    private val method: Method = program.load("forward", options, engine)
    private val input = method.newInput(0)
    private val output = method.newOutput(0)

    /** The index of the largest score. pixels: as the model was trained with, channels first. */
    fun classify(pixels: FloatArray): Int {
        input.floats().put(pixels)
        method.execute(arrayOf(input), arrayOf(output))
        val scores = output.floats()
        return (0 until scores.remaining()).maxByOrNull { scores[it] } ?: -1
    }

    override fun close() {
        program.close()
        engine.close()
    }
}
