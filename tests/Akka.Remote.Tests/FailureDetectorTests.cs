using Akka.Configuration;

namespace Akka.Remote.Tests;

public sealed class FailureDetectorTests
{
    private long _now = 1000;

    [Fact]
    public void A_resource_is_available_before_its_first_heartbeat()
    {
        PhiAccrualFailureDetector detector = Detector();
        Assert.True(detector.IsAvailable);
        Assert.False(detector.IsMonitoring);
        detector.HeartBeat();
        Assert.True(detector.IsMonitoring);
    }

    [Fact]
    public void Heartbeats_keep_it_available_and_silence_does_not()
    {
        PhiAccrualFailureDetector detector = Detector();
        for (int i = 0; i < 100; i++)
        {
            detector.HeartBeat();
            _now += 1000;
            Assert.True(detector.IsAvailable);
        }

        _now += 5000;
        Assert.False(detector.IsAvailable);
        detector.HeartBeat();
        Assert.True(detector.IsAvailable);
    }

    [Fact]
    public void The_acceptable_pause_is_added_to_what_is_usual()
    {
        PhiAccrualFailureDetector strict = Detector(), lenient = Detector(pause: 3000);
        for (int i = 0; i < 100; i++)
        {
            strict.HeartBeat();
            lenient.HeartBeat();
            _now += 1000;
        }

        _now += 1500;
        Assert.False(strict.IsAvailable);
        Assert.True(lenient.IsAvailable);
        _now += 3000;
        Assert.False(lenient.IsAvailable);
    }

    [Fact]
    public void Irregular_heartbeats_make_it_patient()
    {
        PhiAccrualFailureDetector regular = Detector(), irregular = Detector();
        int[] jitter = [200, 1800, 600, 1400, 1000];
        for (int i = 0; i < 100; i++)
        {
            regular.HeartBeat();
            _now += 1000;
        }

        long afterRegular = _now;
        for (int i = 0; i < 100; i++)
        {
            irregular.HeartBeat();
            _now += jitter[i % jitter.Length];
        }

        irregular.HeartBeat();
        long last = _now;
        _now = last + 2000;
        Assert.True(irregular.IsAvailable);
        _now = afterRegular + 1000;
        Assert.False(regular.IsAvailable);
    }

    [Fact]
    public void An_interval_that_ends_a_failure_teaches_nothing()
    {
        PhiAccrualFailureDetector detector = Detector();
        for (int i = 0; i < 10; i++)
        {
            detector.HeartBeat();
            _now += 1000;
        }

        _now += 60_000;
        detector.HeartBeat();
        _now += 4000;
        Assert.False(detector.IsAvailable);
    }

    [Fact]
    public void Settings_without_sense_are_refused()
    {
        TimeSpan second = TimeSpan.FromSeconds(1);
        Assert.Throws<ArgumentException>(() => new PhiAccrualFailureDetector(0, 10, second, second, second));
        Assert.Throws<ArgumentException>(() => new PhiAccrualFailureDetector(8, 0, second, second, second));
        Assert.Throws<ArgumentException>(() => new PhiAccrualFailureDetector(8, 10, TimeSpan.Zero, second, second));
        Assert.Throws<ArgumentException>(() => new PhiAccrualFailureDetector(8, 10, second, -second, second));
        Assert.Throws<ArgumentException>(() => new PhiAccrualFailureDetector(8, 10, second, second, TimeSpan.Zero));
    }

    [Fact]
    public void A_registry_has_one_detector_for_each_resource()
    {
        var registry = new DefaultFailureDetectorRegistry<string>(() => Detector());
        Assert.True(registry.IsAvailable("a"));
        Assert.False(registry.IsMonitoring("a"));
        registry.Heartbeat("a");
        registry.Heartbeat("b");
        _now += 20_000;
        registry.Heartbeat("b");
        Assert.False(registry.IsAvailable("a"));
        Assert.True(registry.IsAvailable("b"));
        registry.Remove("a");
        Assert.True(registry.IsAvailable("a"));
        registry.Reset();
        Assert.False(registry.IsMonitoring("b"));
    }

    [Fact]
    public async Task A_detector_is_loaded_by_the_name_of_its_type()
    {
        ActorSystem system = ActorSystem.Create("loading");
        Config config = ConfigurationFactory.ParseString(
            "threshold = 8, max-sample-size = 10, min-std-deviation = 100ms, acceptable-heartbeat-pause = 1s, heartbeat-interval = 1s");
        Assert.IsType<PhiAccrualFailureDetector>(
            FailureDetectorLoader.Load("Akka.Remote.PhiAccrualFailureDetector, Akka.Remote", config, system));
        Assert.Throws<ConfigurationException>(() => FailureDetectorLoader.Load("No.Such.Detector, Akka.Remote", config, system));
        await system.Terminate();
    }

    private PhiAccrualFailureDetector Detector(int pause = 0) => new(
        8, 1000, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(pause), TimeSpan.FromSeconds(1), () => _now);
}
